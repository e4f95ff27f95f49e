#include "tools/tui/canvas.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace faultline::tui {
namespace {

std::vector<std::string> texts(const std::vector<Line>& lines) {
  std::vector<std::string> all;
  for (const Line& line : lines) {
    all.emplace_back();
    for (const Span& span : line) all.back() += span.text;
  }
  return all;
}

TEST(CanvasTest, ClipKeepsCharactersWhole) {
  EXPECT_EQ(clip("abc", 5), "abc");
  EXPECT_EQ(clip("abc", 2), "ab");
  EXPECT_EQ(clip("\xc3\xa4\xc3\xb6", 1), "\xc3\xa4");
  EXPECT_EQ(clip("abc", 0), "");
  EXPECT_EQ(width("\xc3\xa4 b"), 3);
}

TEST(CanvasTest, WrapBreaksAtBlanksAndIndentsWhatFollows) {
  const Line line = {{"  label     "}, {"one two three four five", {.bold = true}}};
  EXPECT_THAT(texts(wrap(line, 24, 12)),
              testing::ElementsAre("  label     one two", "            three four", "            five"));
  EXPECT_THAT(texts(wrap(line, 80, 12)), testing::ElementsAre("  label     one two three four five"));
}

TEST(CanvasTest, WrapBreaksAWordThatIsTooLongAndLosesNothing) {
  const std::string word(95, 'x');
  const auto lines = texts(wrap({{"ab "}, {word}}, 30, 10));
  std::string all;
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), 30u);
    all += line;
  }
  EXPECT_EQ(std::count(all.begin(), all.end(), 'x'), 95);
}

TEST(CanvasTest, WrapOfNothingIsAnEmptyLine) {
  EXPECT_EQ(wrap({}, 30, 10).size(), 1u);
  EXPECT_EQ(texts(wrap({{""}}, 0, 50)), std::vector<std::string>{""});
}

}  // namespace
}  // namespace faultline::tui

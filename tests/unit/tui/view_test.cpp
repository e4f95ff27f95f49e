// The view without a terminal: what is drawn for what a person does.
#include "tools/tui/view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/export/small_run.hpp"
#include "tools/tui/text.hpp"
#include "vmm/inspect/event_text.hpp"

namespace faultline::tui {
namespace {

using testing::HasSubstr;
using testing::Not;

class Grid final : public Canvas {
 public:
  explicit Grid(Size size) : size_(size) { clear(); }
  [[nodiscard]] Size size() const override { return size_; }
  void clear() override {
    rows_.assign(static_cast<std::size_t>(size_.rows), std::string(static_cast<std::size_t>(size_.columns), ' '));
    reverse_.assign(rows_.size(), false);
  }
  void put(int row, int column, std::string_view text, Style style) override {
    ASSERT_TRUE(row >= 0 && row < size_.rows && column >= 0) << row << " " << column;
    ASSERT_LE(column + width(text), size_.columns) << text;
    // Wide enough for what these tests draw: ASCII.
    rows_[static_cast<std::size_t>(row)].replace(static_cast<std::size_t>(column), text.size(), text);
    if (column == 0) reverse_[static_cast<std::size_t>(row)] = style.reverse;
  }
  [[nodiscard]] const std::string& row(int n) const { return rows_.at(static_cast<std::size_t>(n)); }
  [[nodiscard]] std::string last() const { return rows_.back(); }
  [[nodiscard]] std::string all() const {
    std::string text;
    for (const std::string& row : rows_) text += row + "\n";
    return text;
  }
  // The rows of the list that are shown as chosen.
  [[nodiscard]] std::vector<std::string> chosen() const {
    std::vector<std::string> found;
    for (std::size_t n = 2; n + 1 < rows_.size(); ++n)
      if (reverse_[n] && rows_[n].find("--") == std::string::npos) found.push_back(rows_[n]);
    return found;
  }

 private:
  Size size_;
  std::vector<std::string> rows_;
  std::vector<bool> reverse_;
};

class MadeEvents final : public Events {
 public:
  explicit MadeEvents(std::vector<vmm::recording::Event> events) : events_(std::move(events)) {}
  [[nodiscard]] const vmm::recording::RunInfo& info() const override { return info_; }
  [[nodiscard]] std::uint64_t first() const override { return events_.empty() ? 0 : 1; }
  [[nodiscard]] std::uint64_t last() const override { return events_.size(); }
  [[nodiscard]] const std::string& problem() const override { return problem_; }
  const vmm::recording::Event* at(std::uint64_t number) override {
    ++reads;
    return &events_.at(number - 1);
  }
  const vmm::recording::Event* whole(std::uint64_t number) override { return at(number); }

  std::uint64_t reads = 0;

 private:
  vmm::recording::RunInfo info_ = vmm::recording::small_run_info();
  std::string problem_;
  std::vector<vmm::recording::Event> events_;
};

class ViewTest : public testing::Test {
 protected:
  void type(std::string_view text) {
    for (const char c : text) {
      const Input input = c == '\n' ? Input{.key = Key::kEnter} : Input{.key = Key::kCharacter, .character = c};
      view.handle(input);
    }
    draw();
  }
  void press(Key key, int row = 0, int column = 0) {
    view.handle({.key = key, .character = 0, .row = row, .column = column});
    draw();
  }
  void draw() {
    while (view.work([] { return true; })) {
    }
    view.draw(grid);
  }
  // The number of the event that is chosen.
  std::uint64_t chosen() {
    const auto rows = grid.chosen();
    EXPECT_EQ(rows.size(), 1u) << grid.all();
    return rows.empty() ? 0 : std::stoull(rows.front());
  }

  MadeEvents events{vmm::recording::small_run()};
  View view{events, "run.flr"};
  Grid grid{{24, 80}};
};

TEST_F(ViewTest, ShowsTheListAndTheFirstEventInFull) {
  draw();
  EXPECT_THAT(grid.row(0), HasSubstr("run.flr  kvm-pvm  Linux 6.18"));
  EXPECT_THAT(grid.row(0), HasSubstr("23 events"));
  EXPECT_THAT(grid.row(2), HasSubstr("process  start /bin/sh"));
  EXPECT_THAT(grid.all(), HasSubstr("event 1 (process) at 0.000000010 s, process 100"));
  EXPECT_EQ(chosen(), 1u);
}

TEST_F(ViewTest, AFaultHasItsWalkWithTheLevelThatDenied) {
  type("jjj\n");  // the fault, alone on the screen
  EXPECT_THAT(grid.all(), HasSubstr("event 4 (fault)"));
  EXPECT_THAT(grid.all(), HasSubstr("4-level, not-present"));
  EXPECT_THAT(grid.all(), HasSubstr("     PGD[255] 0x157f8: "));
  EXPECT_THAT(grid.all(), HasSubstr("  => PTE[325] 0x12a28: none "));
  EXPECT_THAT(grid.all(), HasSubstr("            P denies the access "));
  EXPECT_THAT(grid.all(), HasSubstr("mov dword ptr [rax], ecx"));
  EXPECT_THAT(grid.all(), HasSubstr("find_vma > do_anonymous_page"));
  EXPECT_THAT(grid.all(), HasSubstr("edit      PTE of 0x7fff12345000 at 0x12a28: none -> 0x8000000000099067"));
}

TEST_F(ViewTest, KeysMoveAndStopAtTheEnds) {
  type("k");
  EXPECT_EQ(chosen(), 1u);
  type("jj");
  EXPECT_EQ(chosen(), 3u);
  press(Key::kUp);
  EXPECT_EQ(chosen(), 2u);
  type("G");
  EXPECT_EQ(chosen(), 23u);
  press(Key::kDown);
  EXPECT_EQ(chosen(), 23u);
  press(Key::kPageUp);
  EXPECT_LT(chosen(), 20u);
  type("g");
  EXPECT_EQ(chosen(), 1u);
  press(Key::kPageDown);
  EXPECT_GT(chosen(), 4u);
  type(":12\n");
  EXPECT_EQ(chosen(), 12u);
  type(":nonsense\n");
  EXPECT_THAT(grid.last(), HasSubstr("not the number of an event"));
}

TEST_F(ViewTest, SearchGoesOnAndAroundAndBack) {
  type("/WP_PAGE_copy\n");
  EXPECT_EQ(chosen(), 14u);
  type("n");
  EXPECT_EQ(chosen(), 14u);
  EXPECT_THAT(grid.last(), HasSubstr("no other"));
  type("/fault\n");
  const auto next = chosen();
  EXPECT_GT(next, 14u);
  type("N");
  EXPECT_EQ(chosen(), 14u);
  type("/zebra\n");
  EXPECT_EQ(chosen(), 14u);
  EXPECT_THAT(grid.last(), HasSubstr("not found: zebra"));
}

TEST_F(ViewTest, FiltersAndKeepsWhatWasChosen) {
  type(":14\nF");
  EXPECT_EQ(chosen(), 14u);
  EXPECT_THAT(grid.row(1), HasSubstr("3 of 4"));
  EXPECT_THAT(grid.all(), Not(HasSubstr("syscall")));
  EXPECT_THAT(grid.last(), HasSubstr("filter: fault"));
  type("F");
  EXPECT_THAT(grid.row(1), HasSubstr("14 of 23"));
  type("fpath=wp_page_copy\n");
  EXPECT_THAT(grid.row(1), HasSubstr("1 of 1"));
  type("c");
  type("fsignal exit pid=101\n");
  EXPECT_THAT(grid.row(1), HasSubstr("of 3"));
  type("c");
  type("fnothing like it\n");
  EXPECT_THAT(grid.row(2), HasSubstr("nothing passes the filter"));
  type("c");
  type("fpath=no_such_step\n");
  EXPECT_THAT(grid.last(), HasSubstr("path=no_such_step: no such path"));
  EXPECT_THAT(grid.row(1), HasSubstr("of 23"));
}

TEST_F(ViewTest, ClickChoosesAndTheWheelScrollsWhatIsBelowIt) {
  draw();
  press(Key::kClick, 5, 10);
  EXPECT_EQ(chosen(), 4u);
  press(Key::kWheelDown, 3);
  EXPECT_EQ(chosen(), 7u);
  press(Key::kWheelUp, 3);
  EXPECT_EQ(chosen(), 4u);
  const std::string before = grid.row(12);
  press(Key::kWheelDown, 15);
  EXPECT_EQ(chosen(), 4u);
  EXPECT_NE(grid.row(12), before);
  press(Key::kClick, 0);  // the title: nothing
  EXPECT_EQ(chosen(), 4u);
}

TEST_F(ViewTest, TabMovesTheFocusToTheTextBelow) {
  type(":4\n");
  press(Key::kTab);
  const std::string first = grid.row(11);
  type("j");
  EXPECT_EQ(chosen(), 4u);
  EXPECT_NE(grid.row(11), first);
  type("G");
  EXPECT_THAT(grid.all(), HasSubstr("outcome"));
  type("g");
  EXPECT_EQ(grid.row(11), first);
  press(Key::kTab);
  type("j");
  EXPECT_EQ(chosen(), 5u);
}

TEST_F(ViewTest, HelpAndQuit) {
  type("?");
  EXPECT_THAT(grid.all(), HasSubstr("search; next, previous"));
  type("x");
  EXPECT_THAT(grid.all(), Not(HasSubstr("search; next, previous")));
  EXPECT_FALSE(view.done());
  type("q");
  EXPECT_TRUE(view.done());
}

TEST_F(ViewTest, EveryEventAndEverySizeCanBeDrawn) {
  for (const Size size : {Size{24, 80}, Size{10, 40}, Size{60, 200}, Size{9, 80}, Size{24, 39}, Size{1, 1}}) {
    grid = Grid(size);
    type("g");
    for (std::uint64_t n = 0; n < events.last(); ++n) type("j");
    type("\nGg\n?");
    type("x");
  }
}

TEST_F(ViewTest, TheScanGoesOnLittleByLittleAndKeysCountMeanwhile) {
  std::vector<vmm::recording::Event> many;
  for (int n = 0; n < 100; ++n)
    for (auto event : vmm::recording::small_run()) {
      event.number = many.size() + 1;
      many.push_back(std::move(event));
    }
  MadeEvents large(std::move(many));
  View busy(large, "large.flr");
  busy.draw(grid);
  EXPECT_LT(large.reads, 50u);  // what is on the screen
  busy.handle({.key = Key::kCharacter, .character = 'F'});
  EXPECT_TRUE(busy.work([] { return false; }));
  EXPECT_LT(large.reads, 200u);
  busy.draw(grid);
  EXPECT_THAT(grid.row(1), HasSubstr("%"));
  busy.handle({.key = Key::kCharacter, .character = 'j'});
  while (busy.work([] { return false; })) {
  }
  busy.draw(grid);
  EXPECT_THAT(grid.row(1), HasSubstr("2 of 400"));
}

TEST(ViewTextTest, KindsAreCalledAsElsewhere) {
  for (const auto& event : vmm::recording::small_run()) EXPECT_EQ(kind(event), vmm::inspect::kind_name(event.body));
}

TEST(ViewEmptyTest, ARecordingWithoutEvents) {
  MadeEvents none({});
  View view(none, "empty.flr");
  Grid grid({24, 80});
  for (const char c : std::string("jGgnF")) view.handle({.key = Key::kCharacter, .character = c});
  while (view.work([] { return true; })) {
  }
  view.draw(grid);
  EXPECT_THAT(grid.row(0), HasSubstr("0 events"));
}

}  // namespace
}  // namespace faultline::tui

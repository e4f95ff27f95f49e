// `faultline conform` as a user meets it. The matrix itself: tests/conform, tests/kvm.
#include <nlohmann/json.hpp>

#include <algorithm>

#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ConformTest, WhatIsNotThereIsOneLineAndStatusTwo) {
  const ScratchFolder folder;
  folder.write("broken.json", "{\"format\": 1, \"deviations\": [{}]}");
  const std::vector<std::vector<std::string>> wrong = {
      {"--rule", "right.wrong"},
      {"--feature", "teleport"},
      {"--section", "nowhere"},
      {"--baseline", "/no/such/file"},
      {"--baseline", folder.path() + "/broken.json"},
      {"--model-only", "--case", "7"},
      {"--model-only", "--case", "18446744073709551615"},
  };
  for (const auto& options : wrong) {
    std::vector<std::string> words = {"conform"};
    words.insert(words.end(), options.begin(), options.end());
    const auto result = faultline(words);
    EXPECT_EQ(result.status, 2) << options.front();
    expect_one_line(result);
  }
}

TEST(ConformTest, TheWalkersAreComparedWithoutKvm) {
  const auto result = faultline({"conform", "--model-only", "--json", "--cases", "5000"});
  EXPECT_EQ(result.status, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["mmu"]["disagreements"], 0);
  EXPECT_GT(json["mmu"]["compared"], 4000);
}

TEST(ConformTest, TheListNamesSectionsRulesAndFeatures) {
  const auto result = faultline({"conform", "--list"});
  EXPECT_EQ(result.status, 0);
  for (const char* word : {"straddle", "right.smap", "1g-pages"}) EXPECT_THAT(result.out, HasSubstr(word));
}

// One case alone: what it prints, and 0, or 1 where it deviates and no baseline knows it.
TEST(ConformTest, TheStatusOfACaseIsItsVerdict) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  const auto sound = faultline({"conform", "--case", "4000000000000540"});
  EXPECT_EQ(sound.status, 0) << sound.err;
  EXPECT_THAT(sound.out, HasSubstr("verdict   as expected"));

  const auto run = faultline({"conform", "--section", "straddle", "--cases", "20000", "--json"});
  const auto groups = nlohmann::json::parse(run.out)["groups"];
  const auto known =
      std::ranges::find_if(groups, [](const auto& g) { return g.contains("known") && g["known"].is_object(); });
  if (known == groups.end()) GTEST_SKIP() << "no deviation of this backend is known";
  const std::string number = std::to_string((*known)["case"].get<std::uint64_t>());
  const std::string id = (*known)["known"]["id"];
  const auto explained = faultline({"conform", "--case", number});
  EXPECT_EQ(explained.status, 0) << explained.err << explained.out;
  EXPECT_THAT(explained.out, HasSubstr("known     " + id));

  const ScratchFolder folder;
  folder.write("empty.json", "{\"format\": 1, \"deviations\": []}");
  const auto news = faultline({"conform", "--case", number, "--baseline", folder.path() + "/empty.json"});
  EXPECT_EQ(news.status, 1) << news.err << news.out;
  EXPECT_THAT(news.out, HasSubstr("verdict   "));
  EXPECT_THAT(news.out, Not(HasSubstr("known     ")));
}

TEST(ConformTest, ARunEndsWithItsVerdict) {
  const auto why = why_no_kvm();
  const ScratchFolder folder;
  const std::string junit = folder.path() + "/junit.xml";
  const auto result = faultline({"conform", "--cases", "3000", "--json", "--junit", junit});
  if (!why.empty()) {
    EXPECT_EQ(result.status, 125);
    expect_one_line(result);
    EXPECT_THAT(result.err, HasSubstr("--model-only"));
    GTEST_SKIP() << why;
  }
  EXPECT_EQ(result.status, 0) << result.out;
  EXPECT_EQ(result.err, "") << "no progress bar where nobody looks";
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_GT(json["cases"], 1000);
  EXPECT_THAT(folder.contents().at("junit.xml"), HasSubstr("<testsuite name=\"faultline conform\""));
}

}  // namespace
}  // namespace faultline::test

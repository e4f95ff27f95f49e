// `faultline fuzz` as a user meets it. Judges and driver: tests/fuzz.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kJudges = {"--judges", "reference,model"};

std::vector<std::string> fuzz(std::vector<std::string> words) {
  words.insert(words.begin(), "fuzz");
  words.insert(words.end(), kJudges.begin(), kJudges.end());
  return words;
}

TEST(FuzzTest, WhatCannotBeUsedIsOneLineAndStatusTwo) {
  const ScratchFolder folder;
  folder.write("bad.txt", "faultline-fuzz 1\nread 3 512g\n");
  folder.write("file", "no folder");
  const std::vector<std::vector<std::string>> wrong = {
      {"fuzz", "--known", "/no/such/file", folder.path() + "/c"},
      {"fuzz", folder.path() + "/file"},
      {"fuzz", folder.path()},  // a folder of something else
      {"fuzz", "run", folder.path() + "/bad.txt"},
      {"fuzz", "run", "/no/such/program"},
      {"fuzz", "minimize", folder.path() + "/bad.txt"},
      {"fuzz", "replay", folder.path()},
      {"fuzz", "replay", "/no/such/folder"},
  };
  for (const auto& words : wrong) {
    const auto result = faultline(words);
    EXPECT_EQ(result.status, 2) << words[1] << " " << words.back();
    expect_one_line(result);
  }
  EXPECT_THAT(faultline({"fuzz", "run", folder.path() + "/bad.txt"}).err, HasSubstr("bad.txt:2:6: "));
  for (const char* option : {"--judges=oracle", "--jobs=0"}) {
    const auto result = faultline({"fuzz", option, folder.path() + "/c"});
    EXPECT_EQ(result.status, 2);
    EXPECT_THAT(result.err, HasSubstr("Try 'faultline fuzz --help'"));
  }
}

TEST(FuzzTest, AProgramIsGeneratedAndRunByEveryJudge) {
  const ScratchFolder folder;
  const auto program = faultline({"fuzz", "generate", "--seed", "7"});
  EXPECT_EQ(program.status, 0);
  EXPECT_THAT(program.out, testing::StartsWith("faultline-fuzz 1\n"));
  EXPECT_EQ(faultline({"fuzz", "generate", "--seed", "7"}).out, program.out);
  folder.write("p.txt", program.out);
  const auto run = faultline(fuzz({"run", folder.path() + "/p.txt"}));
  EXPECT_EQ(run.status, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("reference"));
  EXPECT_THAT(run.out, HasSubstr("model"));
}

constexpr std::string_view kForkBinary(
    "\x89"
    "FLP\x01\x01\x00\x0a",
    8);

// A finding of no substance: its judges agree.
void write_finding(const ScratchFolder& folder) {
  folder.write("finding.json", R"({"format": 1, "seed": 7, "judges": ["reference", "model"], "disagreement": {"step": 0,
    "first": "reference", "second": "model", "field": "outcome", "first_value": "1", "second_value": "2"},
    "signature": "model+reference.outcome.fork.1=2", "version": "0.1.0", "kernel": "Linux", "backend": ""})");
  folder.write("program.bin", std::string(kForkBinary));
  folder.write("program.txt", "faultline-fuzz 1\nfork\n");
  folder.write("shrunk.txt", "faultline-fuzz 1\nfork\n");
}

TEST(FuzzTest, AFindingIsReplayedAndRun) {
  const ScratchFolder folder;
  write_finding(folder);
  const auto replay = faultline({"fuzz", "replay", folder.path()});
  EXPECT_EQ(replay.status, 0) << replay.err;
  EXPECT_EQ(replay.out,
            "then: reference and model disagree at step 0 (fork) in outcome: 1 / 2\nnow:  gone: they agree\n");
  const auto run = faultline(fuzz({"run", folder.path()}));
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("   0  fork\n"));
  const auto minimize = faultline(fuzz({"minimize", folder.path()}));
  EXPECT_EQ(minimize.status, 1);
  EXPECT_THAT(minimize.err, HasSubstr("the judges agree: there is nothing to keep"));
}

TEST(FuzzTest, ACampaignIsNoFinding) {
  const ScratchFolder folder;
  ASSERT_EQ(faultline(fuzz({"--programs", "1", folder.path("c")})).status, 0);
  const auto result = faultline({"fuzz", "replay", folder.path("c")});
  EXPECT_EQ(result.status, 2);
  expect_one_line(result);
  EXPECT_THAT(result.err, HasSubstr("name one of the folders in its findings/"));
}

TEST(FuzzTest, WhereNothingCanBeWrittenNothingIsBegun) {
  const ScratchFolder folder;
  folder.write("p.txt", "faultline-fuzz 1\nfork\n");
  for (const std::string& out : {std::string("/no/such/folder/small.txt"), folder.path()}) {
    const auto result = faultline(fuzz({"minimize", folder.path() + "/p.txt", "-o", out}));
    EXPECT_EQ(result.status, 2);
    expect_one_line(result);
    EXPECT_THAT(result.err, HasSubstr(out.substr(0, out.rfind('/'))));
  }
}

TEST(FuzzTest, ACampaignKeepsWhatItFoundAndGoesOn) {
  const ScratchFolder folder;
  const std::string campaign = folder.path() + "/campaign";
  const auto first = faultline(fuzz({"--seed", "1", "--programs", "200", "--json", campaign}));
  EXPECT_EQ(first.status, 0) << first.err;
  const auto json = nlohmann::json::parse(first.out);
  EXPECT_EQ(json["session"]["programs"], 200);
  EXPECT_GT(json["session"]["kept"], 10);
  EXPECT_TRUE(std::filesystem::exists(campaign + "/stats.json"));
  const auto second = faultline(fuzz({"--seed", "2", "--programs", "100", "--json", campaign}));
  EXPECT_EQ(second.status, 0) << second.err;
  EXPECT_EQ(nlohmann::json::parse(second.out)["campaign"]["programs"], 300);
}

TEST(FuzzTest, DamageIsRefusedWithTheFileAndThePlace) {
  const ScratchFolder folder;
  const std::string campaign = folder.path() + "/campaign";
  ASSERT_EQ(faultline(fuzz({"--seed", "1", "--programs", "50", campaign})).status, 0);
  const auto kept = std::filesystem::directory_iterator(campaign + "/corpus")->path();
  std::ofstream(kept, std::ios::trunc) << "\x89"
                                       << "FLP\x01\x07";
  const auto result = faultline(fuzz({"--programs", "10", campaign}));
  EXPECT_EQ(result.status, 2);
  expect_one_line(result);
  EXPECT_THAT(result.err, HasSubstr(kept.filename().string()));
}

}  // namespace
}  // namespace faultline::test

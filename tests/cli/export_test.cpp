// `faultline inspect --trace` and `--folded` on a recording of a program that forks.
#include <filesystem>
#include <fstream>
#include <regex>

#include "tests/cli/recorded.hpp"
#include "tests/support/trace_format.hpp"

namespace faultline::test {
namespace {

class ExportTest : public testing::Test {
 protected:
  void SetUp() override {
    if (recording_of_a_fork().empty()) GTEST_SKIP() << why_no_guest();
  }
  ScratchFolder folder_;
};

TEST_F(ExportTest, ATraceOfARealRunKeepsTheRules) {
  const std::string out = folder_.path() + "/run.json";
  const auto result = faultline({"inspect", "--trace", out, recording_of_a_fork()});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "");
  std::ifstream file(out);
  const auto trace = nlohmann::json::parse(file);
  EXPECT_THAT(TraceRules().broken(trace), testing::IsEmpty());
  std::map<std::string, int> phases;
  std::set<std::string> tracks;
  for (const auto& event : trace["traceEvents"]) {
    ++phases[event["ph"]];
    if (event["name"] == "process_name") tracks.insert(event["args"]["name"]);
  }
  EXPECT_GT(phases["s"], 10);  // faults that were resumed
  EXPECT_EQ(phases["s"], phases["f"]);
  EXPECT_GT(phases["C"], 0);
  EXPECT_TRUE(tracks.contains("machine") && tracks.contains("busybox"));
  const auto printed = faultline({"inspect", "--trace", "-", recording_of_a_fork()});
  EXPECT_EQ(nlohmann::json::parse(printed.out), trace);
}

TEST_F(ExportTest, FoldedStacksAreLinesWithAWeight) {
  const auto result = faultline({"inspect", "--folded", "-", "--counts", recording_of_a_fork()});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, testing::HasSubstr("busybox;process "));
  EXPECT_THAT(result.out, testing::HasSubstr(";do_wp_page;wp_page_copy "));
  std::istringstream lines(result.out);
  const std::regex form("[^;]+(;[^;]+)+ [1-9][0-9]*");
  for (std::string line; std::getline(lines, line);) EXPECT_TRUE(std::regex_match(line, form)) << line;
}

TEST_F(ExportTest, WhatCannotBeWrittenIsSaid) {
  const auto nowhere = faultline({"inspect", "--trace", "/no/such/folder/x", recording_of_a_fork()});
  EXPECT_EQ(nowhere.status, 125);
  expect_one_line(nowhere);
  const auto full = faultline({"inspect", "--trace", "/dev/full", recording_of_a_fork()});
  EXPECT_EQ(full.status, 125);
  expect_one_line(full);
  expect_usage_error(faultline({"inspect", "--counts", recording_of_a_fork()}));
  expect_usage_error(faultline({"inspect", "--trace", "x", "--tui", recording_of_a_fork()}));
}

}  // namespace
}  // namespace faultline::test

// Options that only watch or move things leave what the guest does as it was.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/differential/compare.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

class OptionsTest : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(OptionsTest, ProgramBehavesTheSame) {
  const bool hosted = std::ranges::find(GetParam(), "hosted") != GetParam().end();
  if (const auto why = hosted ? why_no_hosted() : why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  for (const char* program : {"error_codes", "counts_anonymous", "counts_file", "signals"}) {
    SCOPED_TRACE(program);
    // What is watched may be written to stderr.
    expect_same(Row{.name = program, .argv = {std::string("@") + program}, .stderr_bytes = Stderr::kIgnored},
                GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(Watching, OptionsTest,
                         testing::Values(std::vector<std::string>{"--stats"}, std::vector<std::string>{"--strace"},
                                         std::vector<std::string>{"--fault-log", "/dev/null"},
                                         std::vector<std::string>{"--fault-log", "/dev/null", "--fault-format",
                                                                  "jsonl"}));
INSTANTIATE_TEST_SUITE_P(Hosted, OptionsTest,
                         testing::Values(std::vector<std::string>{"--backend", "hosted", "--stats"},
                                         std::vector<std::string>{"--backend", "hosted", "--strace"},
                                         std::vector<std::string>{"--backend", "hosted", "--fault-log", "/dev/null",
                                                                  "--fault-format", "jsonl"},
                                         std::vector<std::string>{"--backend", "hosted", "--memory", "32M"},
                                         std::vector<std::string>{"--backend", "hosted", "--memory", "64G"}));
INSTANTIATE_TEST_SUITE_P(Memory, OptionsTest,
                         testing::Values(std::vector<std::string>{"--memory", "32M"},
                                         std::vector<std::string>{"--memory", "64G"},
                                         std::vector<std::string>{"--paging", "4"}));

}  // namespace
}  // namespace faultline::test

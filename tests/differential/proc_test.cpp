// What a program sees of itself under /proc, and what ps, top, free and pmap make of it.
#include <gtest/gtest.h>

#include "tests/differential/compare.hpp"

namespace faultline::test {
namespace {

class ProcTest : public testing::TestWithParam<Row> {};

TEST_P(ProcTest, SameNativelyAndInTheGuest) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam());
}

TEST_P(ProcTest, SameNativelyAndHosted) {
  if (const auto why = why_no_hosted(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam(), {"--backend", "hosted"});
}

std::vector<Row> programs() {
  std::vector<Row> rows;
  for (const char* name : {"proc_smaps", "proc_status", "proc_pagemap", "proc_mem", "proc_fork"})
    rows.push_back({.name = name, .argv = {std::string("@") + name}});
  rows.push_back({.name = "proc_files", .argv = {"@proc_files", "one", "two words", ""}});
  const auto busybox = [&](const std::string& name, const std::vector<std::string>& arguments) {
    Row row{.name = name, .argv = {"/bin/busybox"}};
    row.argv.insert(row.argv.end(), arguments.begin(), arguments.end());
    rows.push_back(row);
  };
  busybox("cat_comm", {"cat", "/proc/self/comm"});
  busybox("cat_cmdline", {"cat", "/proc/self/cmdline"});
  busybox("cat_limits", {"cat", "/proc/self/limits"});
  busybox(
      "grep_status",
      {"grep", "-E", "^(Name|Umask|State|Uid|Gid|Threads|SigPnd|SigBlk|SigIgn|SigCgt|ShdPnd|Cap|Seccomp|VmPin|VmSwap)",
       "/proc/self/status"});
  busybox("cat_two_files", {"cat", "/proc/self/comm", "/proc/self/oom_score_adj", "/proc/swaps"});
  busybox("dd_pagemap", {"dd", "if=/proc/self/pagemap", "of=/dev/null", "bs=8", "count=4", "status=none"});
  busybox("ls_missing", {"ls", "/proc/self/nothing"});
  busybox("readlink_exe", {"readlink", "/proc/self/exe"});
  busybox("wc_lines", {"awk", "END {print NR}", "/proc/self/status", "/proc/meminfo", "/proc/vmstat"});
  return rows;
}

std::string row_name(const testing::TestParamInfo<Row>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Programs, ProcTest, testing::ValuesIn(programs()), row_name);

// In the guest there is one process, and these say so; natively they tell of the whole machine.
class Observers : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const bool hosted = std::string(GetParam()) == "hosted";
    if (const auto why = hosted ? why_no_hosted() : why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  }
  static ProcessResult busybox(const std::vector<std::string>& arguments) {
    Row row{.name = "observer", .argv = {"/bin/busybox"}};
    row.argv.insert(row.argv.end(), arguments.begin(), arguments.end());
    return run_in_guest({"--backend", GetParam(), "--memory", "64M"}, row, "/");
  }
  static std::size_t lines(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
};

TEST_P(Observers, PsSeesItselfAlone) {
  const auto result = busybox({"ps", "-o", "pid,comm,args"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(lines(result.out), 2u) << result.out;
  EXPECT_NE(result.out.find("busybox"), std::string::npos) << result.out;
}

TEST_P(Observers, TopRunsOnce) {
  const auto result = busybox({"top", "-b", "-n1"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("Mem: "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("top -b"), std::string::npos) << result.out;
}

TEST_P(Observers, FreeKnowsTheGuestsMemory) {
  const auto result = busybox({"free", "-k"});
  EXPECT_EQ(result.status, 0) << result.err;
  const std::size_t at = result.out.find("Mem:");
  ASSERT_NE(at, std::string::npos) << result.out;
  const long total = std::atol(result.out.c_str() + at + 4);
  EXPECT_GT(total, 60 * 1024);
  EXPECT_LE(total, 64 * 1024);
}

INSTANTIATE_TEST_SUITE_P(Backends, Observers, testing::Values("kvm", "hosted"));

}  // namespace
}  // namespace faultline::test

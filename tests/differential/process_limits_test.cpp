// Guests that start processes to no good end: each ends by its limit, and leaves nothing behind.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/differential/compare.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

constexpr int kLimitStatus = 124;

// Processes of this user whose command line names `word`.
int processes_naming(const std::string& word) {
  int count = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    std::ifstream file(entry.path() / "cmdline");
    const std::string line((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    count += line.find(word) != std::string::npos ? 1 : 0;
  }
  return count;
}

class ProcessLimits : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const auto why = GetParam() == "hosted" ? why_no_hosted() : why_no_kvm();
    if (!why.empty()) GTEST_SKIP() << why;
  }
  ProcessResult run(const std::string& text, std::vector<std::string> options) {
    options.insert(options.begin(), {"--backend", GetParam(), "-q"});
    const Row row{.name = "hostile",
                  .argv = {"/bin/busybox", "sh", "-c", text, folder_.path()},
                  .timeout = std::chrono::seconds(120)};
    const ProcessResult result = run_in_guest(options, row, folder_.path());
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(processes_naming(folder_.path()), 0);
    return result;
  }

 private:
  ScratchFolder folder_;
};

TEST_P(ProcessLimits, AForkBombMeetsEagainAndTheTimeLimit) {
  const auto r = run("b() { b | b & }; b; while :; do :; done", {"--max-processes", "40", "--time-limit", "2"});
  EXPECT_EQ(r.status, kLimitStatus) << r.err;
  EXPECT_NE(r.err.find("can't fork: Resource temporarily unavailable"), std::string::npos) << r.err;
}

TEST_P(ProcessLimits, AForkBombMeetsTheEndOfMemory) {
  const auto r = run("b() { b | b & }; b; while :; do :; done", {"--memory", "8M", "--time-limit", "2"});
  EXPECT_EQ(r.status, kLimitStatus) << r.err;
}

TEST_P(ProcessLimits, ProgramsThatExecuteForEver) {
  const auto r = run("echo 'exec /bin/busybox sh ./again' > again; . ./again", {"--time-limit", "1"});
  EXPECT_EQ(r.status, kLimitStatus) << r.err;
}

TEST_P(ProcessLimits, WaitingForEver) {
  EXPECT_EQ(run("sleep 1000 & wait", {"--time-limit", "500ms"}).status, kLimitStatus);
  EXPECT_EQ(run("mkfifo p; cat p", {"--time-limit", "500ms"}).status, kLimitStatus);
  EXPECT_EQ(run("{ sleep 1000; } | cat", {"--time-limit", "500ms"}).status, kLimitStatus);
}

TEST_P(ProcessLimits, ExitsAreCountedOverAll) {
  const auto r = run("while :; do :; done & while :; do (:); done", {"--exit-limit", "2000"});
  EXPECT_EQ(r.status, kLimitStatus) << r.err;
}

TEST_P(ProcessLimits, KillingEverybodyEndsTheOthers) {
  const auto r = run("sleep 1000 & sleep 1000 & sleep 0.1; kill -TERM -1; wait; echo alone", {});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(r.out, "alone\n");
}

TEST_P(ProcessLimits, AFloodOfZombiesIsWaitedFor) {
  const auto r = run("i=0; while [ $i -lt 60 ]; do i=$((i+1)); (exit 0) & done; wait; echo survived",
                     {"--max-processes", "500", "--time-limit", "60"});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(r.out, "survived\n");
}

TEST_P(ProcessLimits, AFullPipeBlocksItsWriterOnly) {
  const auto r = run("yes | { sleep 0.3; head -n 1; }; echo done", {"--time-limit", "60"});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(r.out, "y\ndone\n");
}

TEST_P(ProcessLimits, AnOrphanOutlivesTheFirstProcess) {
  const auto r = run("(sleep 0.2; echo orphan) & exit 3", {"--time-limit", "60"});
  EXPECT_EQ(r.status, 3) << r.err;
  EXPECT_EQ(r.out, "orphan\n");
}

INSTANTIATE_TEST_SUITE_P(Backends, ProcessLimits, testing::Values("kvm", "hosted"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace faultline::test

// Guests that do not end by themselves end within their limits, with a report and a status of their own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/differential/compare.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

constexpr int kStoppedByALimit = 124;

class LimitsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto why = backend() == "hosted" ? why_no_hosted() : why_no_kvm();
    if (!why.empty()) GTEST_SKIP() << why;
  }

  static std::string backend() { return GetParam(); }

  ProcessResult run(std::vector<std::string> options, const std::string& program) {
    options.insert(options.end(), {"--backend", backend()});
    return run_in_guest(options, Row{.name = program, .argv = {"@" + program}}, folder_.path());
  }

  ScratchFolder folder_;
};

TEST_P(LimitsTest, SpinningGuestIsStoppedByTheTimeLimit) {
  const auto start = std::chrono::steady_clock::now();
  const auto result = run({"--time-limit", "1"}, "spin");
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(result.status, kStoppedByALimit) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("time limit"));
  EXPECT_GE(took, std::chrono::seconds(1));
  EXPECT_LT(took, std::chrono::seconds(15));
}

TEST_P(LimitsTest, SystemCallsWithoutEndAreStoppedByTheExitLimit) {
  const auto result = run({"--exit-limit", "500", "--time-limit", "30"}, "syscall_forever");
  EXPECT_EQ(result.status, kStoppedByALimit) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("exit limit"));
}

TEST_P(LimitsTest, SystemCallsWithoutEndAreStoppedByTheTimeLimit) {
  const auto result = run({"--time-limit", "1"}, "syscall_forever");
  EXPECT_EQ(result.status, kStoppedByALimit) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("time limit"));
}

TEST_P(LimitsTest, FaultingForeverIsRecognisedAsAStorm) {
  const auto result = run({}, "fault_forever");
  EXPECT_EQ(result.status, kStoppedByALimit) << result.err;
  EXPECT_EQ(result.out, "faulting\n");
  EXPECT_THAT(result.err, testing::HasSubstr("fault storm"));
}

TEST_P(LimitsTest, GenerousLimitsChangeNothing) {
  expect_same(Row{.name = "sort", .argv = {"@sort_glibc"}},
              {"--backend", backend(), "--time-limit", "50", "--exit-limit", "1000000"});
}

INSTANTIATE_TEST_SUITE_P(Backends, LimitsTest, testing::Values("kvm", "hosted"),
                         [](const auto& backend) { return std::string(backend.param); });

}  // namespace
}  // namespace faultline::test

// `faultline` where there is no KVM, and where the hosted backend is asked for.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/cli/cli.hpp"

namespace faultline::test {
namespace {

constexpr int kHarnessFailed = 125;

std::string why_no_hosted() {
  const auto probe = faultline({"run", "--backend", "hosted", "--", guest_program("exit_status"), "0"});
  return probe.status == kHarnessFailed ? probe.err : std::string();
}

class HostedCliTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_hosted(); !why.empty()) GTEST_SKIP() << why;
  }
};

// The same command with /dev/kvm out of sight, in a mount namespace of its own.
ProcessResult without_kvm(const std::string& command) {
  if (!why_no_kvm().empty()) return run_process({.argv = {"/bin/sh", "-c", command}});
  const std::string hidden = "unshare -m /bin/sh -c 'mount --bind /dev/null /dev/kvm && " + command + "'";
  return run_process({.argv = {"/bin/sh", "-c", hidden}});
}
bool can_hide_kvm() { return !why_no_kvm().empty() || without_kvm("true").status == 0; }

TEST_F(HostedCliTest, StatisticsAndRecordsSayWhichBackendItWas) {
  const auto result = faultline({"run", "--backend", "hosted", "--stats", "--fault-log", "-", "--fault-format", "jsonl",
                                 "--", guest_program("exit_status"), "7"});
  EXPECT_EQ(result.status, 7);
  EXPECT_THAT(result.err, testing::HasSubstr("faultline statistics (hosted)"));
  EXPECT_THAT(result.err, testing::HasSubstr(R"("backend":"hosted")"));
}

TEST_F(HostedCliTest, ReportsOfKilledProgramsSayItToo) {
  const auto result = faultline({"run", "--backend", "hosted", "--", guest_program("null_read")});
  EXPECT_EQ(result.status, 139);
  EXPECT_THAT(result.err, testing::HasSubstr("hosted"));
}

TEST_F(HostedCliTest, WhatOnlyKvmHasIsRefusedInOneLine) {
  for (const std::vector<std::string>& option :
       {std::vector<std::string>{"--paging", "5"}, {"--sink", "shadow"}, {"--sink", "two-dimensional"}}) {
    std::vector<std::string> arguments = {"run", "--backend", "hosted"};
    arguments.insert(arguments.end(), option.begin(), option.end());
    arguments.insert(arguments.end(), {"--", guest_program("exit_status"), "0"});
    const auto result = faultline(arguments);
    EXPECT_EQ(result.status, kHarnessFailed);
    expect_one_line(result);
    EXPECT_THAT(result.err, testing::HasSubstr("KVM"));
  }
}

TEST_F(HostedCliTest, LimitsStopAGuestThatLoops) {
  const auto spins = faultline({"run", "--backend", "hosted", "--time-limit", "300ms", "--", guest_program("spin")});
  EXPECT_EQ(spins.status, 124);
  EXPECT_THAT(spins.err, testing::HasSubstr("time limit"));
  const auto storms = faultline({"run", "--backend", "hosted", "--", guest_program("fault_forever")});
  EXPECT_EQ(storms.status, 124);
  EXPECT_THAT(storms.err, testing::HasSubstr("fault storm"));
}

TEST_F(HostedCliTest, ChosenByItselfWhereKvmIsNotThere) {
  if (!can_hide_kvm()) GTEST_SKIP() << "cannot hide /dev/kvm: needs the right to make a mount namespace";
  const std::string run = std::string(FAULTLINE_CLI) + " run --stats ";
  const auto result = without_kvm(run + "-- " + guest_program("exit_status") + " 5");
  EXPECT_EQ(result.status, 5) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("faultline statistics (hosted)"));
  const auto wants_kvm = without_kvm(run + "--backend kvm -- " + guest_program("exit_status") + " 5");
  EXPECT_EQ(wants_kvm.status, kHarnessFailed);
  EXPECT_THAT(wants_kvm.err, testing::HasSubstr("/dev/kvm"));
  const auto doctor = without_kvm(std::string(FAULTLINE_CLI) + " doctor");
  EXPECT_EQ(doctor.status, 0);
  EXPECT_THAT(doctor.out, testing::StartsWith("Guests can run here: hosted"));
  EXPECT_THAT(doctor.out, testing::HasSubstr("Missing: "));
}

}  // namespace
}  // namespace faultline::test

// The judge itself: what is different is noticed, what is noise is not.
#include "tests/differential/judge/judge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/differential/judge/guest_faults.hpp"
#include "tests/differential/judge/user_fault.hpp"
#include "tests/support/process.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const FaultHistory kHistory = {{{0x401000, 0x401000, 0x14}, {0x7000, 0x401010, 6}}, {{0x7000, 0x401020, 7}}};

TEST(FirstDifferenceTest, NoneBetweenEqualHistories) { EXPECT_THAT(first_difference(kHistory, kHistory), IsEmpty()); }

TEST(FirstDifferenceTest, AddressErrorCodeAndInstructionCount) {
  for (std::uint64_t UserFault::*const field : {&UserFault::address, &UserFault::error, &UserFault::ip}) {
    FaultHistory other = kHistory;
    other[0][1].*field += 1;
    EXPECT_THAT(first_difference(kHistory, other), HasSubstr("process 0, fault 1 of 2"));
  }
}

TEST(FirstDifferenceTest, AFaultMoreOrLess) {
  FaultHistory other = kHistory;
  other[1].push_back({0x8000, 0x401030, 4});
  EXPECT_THAT(first_difference(kHistory, other), HasSubstr("process 1, fault 1 of 1 natively and 2 in the guest"));
  EXPECT_THAT(first_difference(other, kHistory), HasSubstr("process 1, fault 1 of 2 natively and 1 in the guest"));
}

TEST(FirstDifferenceTest, OrderCounts) {
  FaultHistory other = kHistory;
  std::swap(other[0][0], other[0][1]);
  EXPECT_THAT(first_difference(kHistory, other), HasSubstr("fault 0 of 2"));
}

TEST(FirstDifferenceTest, AProcessMore) {
  FaultHistory other = kHistory;
  other.emplace_back();
  EXPECT_THAT(first_difference(kHistory, other), HasSubstr("2 processes faulted natively, 3 in the guest"));
}

TEST(FirstDifferenceTest, PresenceOfKernelPagesIsNoise) {
  const FaultHistory mapped = {{{0xffff888000000000, 0x401000, 5}}}, absent = {{{0xffff888000000000, 0x401000, 4}}};
  EXPECT_THAT(first_difference(mapped, absent), IsEmpty());
  const FaultHistory write = {{{0xffff888000000000, 0x401000, 6}}};
  EXPECT_THAT(first_difference(mapped, write), Not(IsEmpty()));
}

std::string problem_of(const std::string& log) {
  const ScratchFolder folder;
  folder.write("log", log);
  std::string problem;
  guest_faults(folder.path("log"), problem);
  return problem;
}

std::string record(int sequence, const std::string& origin = "user") {
  return R"({"sequence":)" + std::to_string(sequence) + R"(,"process":1,"origin":")" + origin +
         R"(","address":"0x10","ip":"0x20","error":{"code":"0x4"},"outcome":{"end":"minor"}})" + "\n";
}

TEST(GuestFaultsTest, OnlyWholeLogsWillDo) {
  EXPECT_THAT(problem_of(record(1) + record(2)), IsEmpty());
  EXPECT_THAT(problem_of(record(1) + record(3)), HasSubstr("misses record 2"));
  EXPECT_THAT(problem_of(record(1) + "{\"sequence\":"), HasSubstr("not a record"));
  std::string problem;
  guest_faults("/nowhere", problem);
  EXPECT_THAT(problem, HasSubstr("no fault log"));
}

TEST(GuestFaultsTest, TakesThoseOfUserCode) {
  const ScratchFolder folder;
  folder.write("log", record(1) + record(2, "kernel") + record(3));
  std::string problem;
  EXPECT_EQ(guest_faults(folder.path("log"), problem).history, (FaultHistory{{{0x10, 0x20, 4}, {0x10, 0x20, 4}}}));
}

// A program that is told what it runs on and prints it.
TEST(JudgeTest, NoticesWhatDiffers) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  const ScratchFolder folder;
  const Judgement judgement = judge({.argv = {std::string(FAULTLINE_GUEST_PROGRAMS) + "/arguments"},
                                     .options = {"--backend", "kvm", "--env", "ONLY=here"},
                                     .cli = FAULTLINE_CLI,
                                     .folder = folder.path()});
  EXPECT_THAT(judgement.differences, testing::Contains(HasSubstr("stdout parts")));
}

}  // namespace
}  // namespace faultline::test

#include "vmm/run/storm_detector.hpp"

#include <gtest/gtest.h>

namespace faultline::vmm {
namespace {

const PageFaultEvent kFault{Gva(0x1000), mmu::ErrorCode(6)};

TEST(StormDetector, TheSameFaultWithoutProgressIsAStorm) {
  StormDetector storm(3);
  const UserRegs regs;
  EXPECT_FALSE(storm.fault(kFault, regs));
  EXPECT_FALSE(storm.fault(kFault, regs));
  EXPECT_TRUE(storm.fault(kFault, regs));
  EXPECT_EQ(storm.repeats(), 3u);
}

TEST(StormDetector, AnyDifferenceAndAnyProgressStartOver) {
  StormDetector storm(2);
  UserRegs regs;
  EXPECT_FALSE(storm.fault(kFault, regs));
  storm.progress();
  EXPECT_FALSE(storm.fault(kFault, regs));
  regs.rip = 1;
  EXPECT_FALSE(storm.fault(kFault, regs));
  regs[UserRegs::kRcx] = 5;  // a REP instruction that moves on
  EXPECT_FALSE(storm.fault(kFault, regs));
  EXPECT_FALSE(storm.fault({Gva(0x2000), mmu::ErrorCode(6)}, regs));
  EXPECT_FALSE(storm.fault({Gva(0x2000), mmu::ErrorCode(7)}, regs));
  EXPECT_TRUE(storm.fault({Gva(0x2000), mmu::ErrorCode(7)}, regs));
}

TEST(StormDetector, ZeroNeverStorms) {
  StormDetector storm(0);
  const UserRegs regs;
  for (int i = 0; i < 100'000; ++i) ASSERT_FALSE(storm.fault(kFault, regs));
}

}  // namespace
}  // namespace faultline::vmm

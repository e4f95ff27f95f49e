#include "vmm/kvm/monitor_check.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "mmu/arch/pte.hpp"

namespace faultline::vmm::kvm {
namespace {

class MonitorCheck : public ::testing::Test {
 protected:
  void SetUp() override {
    auto ram = GuestRam::create(Gpa(kFirstFreeFrame).raw());
    ASSERT_TRUE(ram.has_value()) << ram.error().message;
    ram_ = std::move(*ram);
    build_monitor(ram_, kMode, StubVariant::kPlain);
    VcpuArea(ram_, 0).build();
  }
  std::vector<std::string> check(Gpa root = Gpa(kKernelHalfFrame)) const { return check_monitor(ram_, kMode, root, 0); }
  void expect_only(const std::string& part) const {
    const auto findings = check();
    ASSERT_EQ(findings.size(), 1U) << (findings.empty() ? "nothing" : findings[0] + " and more");
    EXPECT_NE(findings[0].find(part), std::string::npos) << findings[0];
  }
  std::uint64_t& word(Gfn frame, std::uint64_t offset) {
    return *reinterpret_cast<std::uint64_t*>(ram_.at(Gpa(frame) + offset));
  }
  // The level-1 entry of a monitor frame: the fourth table of the supervisor half.
  std::uint64_t& entry(Gfn frame) { return word(Gfn(7), mmu::table_index(monitor_address(frame), 1) * 8); }

  static constexpr mmu::PagingMode kMode = mmu::PagingMode::kFourLevel;
  GuestRam ram_;
};

TEST_F(MonitorCheck, FreshlyBuiltIsSound) { EXPECT_TRUE(check().empty()); }

TEST_F(MonitorCheck, StacksMayHoldAnything) {
  std::memset(ram_.at(Gpa(kFirstVcpuFrame) + VcpuArea::kFixedBytes), 0xee, kPageSize - VcpuArea::kFixedBytes);
  EXPECT_TRUE(check().empty());
}

TEST_F(MonitorCheck, MissingGate) {
  word(kIdtFrame, 14 * 16) &= ~(1ULL << 47);
  expect_only("IDT gate 14 (#PF) is not present");
}

TEST_F(MonitorCheck, NeighboursShareALine) {
  for (const unsigned v : {10U, 11U, 12U}) word(kIdtFrame, v * 16) = 0;
  expect_only("IDT gate 10 (#TS) to 12 (#SS) is not present");
}

TEST_F(MonitorCheck, ChangedGate) {
  word(kIdtFrame, 6 * 16 + 8) ^= 1;
  expect_only("IDT gate 6 (#UD) leads elsewhere");
}

TEST_F(MonitorCheck, UnmappedIdt) {
  entry(kIdtFrame) = 0;
  expect_only("the IDT at 0xffff800000001000 is not mapped: level 1, bit P");
}

TEST_F(MonitorCheck, StubsThatMayNotRun) {
  entry(kStubFrame) |= mmu::Pte::kNoExecute;
  expect_only("the entry stubs may not be executed");
}

TEST_F(MonitorCheck, ReadOnlyStacks) {
  entry(kFirstVcpuFrame) &= ~mmu::Pte::kWrite;
  expect_only("is read-only");
}

TEST_F(MonitorCheck, MovedPage) {
  entry(kStubFrame) = mmu::Pte::make(Gfn(9), mmu::Pte::kPresent | mmu::Pte::kAccessed).raw();
  expect_only("is mapped to 0x9000 instead of 0x2000");
}

TEST_F(MonitorCheck, ChangedGdtAndTss) {
  word(kFirstVcpuFrame, FL_KERNEL_CS) = 0;
  const auto findings = check();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].rfind("GDT +0x10", 0), 0U) << findings[0];
  word(kFirstVcpuFrame, VcpuArea::kTssOffset) = 1;
  EXPECT_EQ(check().size(), 2U);
}

TEST_F(MonitorCheck, ARootWithoutTheSupervisorHalf) {
  EXPECT_EQ(check(Gpa(kFirstScratchFrame)).size(), 3U);  // IDT, stubs, vCPU page
}

TEST(VectorName, All) {
  EXPECT_EQ(vector_name(0), "#DE");
  EXPECT_EQ(vector_name(14), "#PF");
  EXPECT_EQ(vector_name(15), "vector 15");
  EXPECT_EQ(vector_name(200), "vector 200");
}

}  // namespace
}  // namespace faultline::vmm::kvm

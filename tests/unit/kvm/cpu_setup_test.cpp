#include "vmm/kvm/cpu_setup.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace faultline::vmm::kvm {
namespace {

constexpr std::uint32_t kXsaveBit = 1U << 26;

kvm_cpuid_entry2 leaf(std::uint32_t function, std::uint32_t index, std::uint32_t eax, std::uint32_t ebx,
                      std::uint32_t ecx, std::uint32_t edx) {
  kvm_cpuid_entry2 e{};
  e.function = function, e.index = index, e.eax = eax, e.ebx = ebx, e.ecx = ecx, e.edx = edx;
  return e;
}

// A CPU with AVX-512, AMX, protection keys, SMEP, SMAP, FSGSBASE and five levels.
std::vector<kvm_cpuid_entry2> large_cpu() {
  return {leaf(1, 0, 0, 0, kXsaveBit, 0),
          leaf(7, 0, 0, 1U << 0 | 1U << 7 | 1U << 20, 1U << 3 | 1U << 16, 1U << 22 | 1U << 24 | 1U << 25),
          leaf(0xd, 0, 0x602e7, 0, 0, 0),
          leaf(0xd, 2, 256, 576, 0, 0),
          leaf(0xd, 5, 64, 1088, 0, 0),
          leaf(0xd, 6, 512, 1152, 0, 0),
          leaf(0xd, 7, 1024, 1664, 0, 0),
          leaf(0xd, 9, 8, 2688, 0, 0),
          leaf(0xd, 18, 8192, 2816, 0, 0),
          leaf(0x1d, 0, 1, 0, 0, 0)};
}

const kvm_cpuid_entry2* find(const CpuModel& model, std::uint32_t function, std::uint32_t index = 0) {
  const auto it = std::ranges::find_if(
      model.cpuid, [&](const kvm_cpuid_entry2& e) { return e.function == function && e.index == index; });
  return it == model.cpuid.end() ? nullptr : &*it;
}

TEST(CpuModel, LeavesOutWhatUserCodeCannotUse) {
  const CpuModel model = make_cpu_model(large_cpu(), mmu::PagingMode::kFourLevel);
  EXPECT_EQ(model.xsave_features, 0xe7U);
  EXPECT_EQ(model.xsave_bytes, 2688U);
  EXPECT_EQ(find(model, 7)->ecx & (1U << 3), 0U) << "PKU";
  EXPECT_EQ(find(model, 7)->edx, 0U) << "AMX";
  EXPECT_EQ(find(model, 0xd)->eax, 0xe7U);
  EXPECT_EQ(find(model, 0xd, 9)->eax, 0U);
  EXPECT_EQ(find(model, 0xd, 18)->eax, 0U);
  EXPECT_EQ(find(model, 0x1d)->eax, 0U);
}

TEST(CpuModel, Cr4FollowsCpuid) {
  const CpuModel model = make_cpu_model(large_cpu(), mmu::PagingMode::kFourLevel);
  EXPECT_EQ(model.cr4, kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Osxsave | kCr4Fsgsbase | kCr4Smep | kCr4Smap);
  EXPECT_TRUE(model.lists_la57);
  const CpuModel five = make_cpu_model(large_cpu(), mmu::PagingMode::kFiveLevel);
  EXPECT_EQ(five.cr4, model.cr4 | kCr4La57);
}

TEST(CpuModel, TheSmallestCpu) {
  const CpuModel model = make_cpu_model({leaf(1, 0, 0, 0, 0, 0)}, mmu::PagingMode::kFourLevel);
  EXPECT_EQ(model.cr4, kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt);
  EXPECT_EQ(model.xsave_features, 3U);
  EXPECT_EQ(model.xsave_bytes, 576U);
}

// PVM: leaf 0xD is there, the XSAVE bit is not. State is kept, so user code may know of it.
TEST(CpuModel, StateWithoutXsave) {
  auto cpuid = large_cpu();
  cpuid[0].ecx = 0;
  const CpuModel model = make_cpu_model(std::move(cpuid), mmu::PagingMode::kFourLevel);
  EXPECT_EQ(find(model, 1)->ecx, kXsaveBit);
  EXPECT_NE(model.cr4 & kCr4Osxsave, 0U);
  EXPECT_EQ(model.xsave_features, 0xe7U);
}

// Unlike what else supervisors alone can use: without being announced they cannot be had.
TEST(CpuModel, PcidsAreAnnouncedWhereKvmHasThem) {
  constexpr std::uint32_t kPcid = 1U << 17, kInvpcid = 1U << 10, kPge = 1U << 13;
  auto cpuid = large_cpu();
  cpuid[1].ebx |= kInvpcid;
  const CpuModel without = make_cpu_model(cpuid, mmu::PagingMode::kFourLevel);
  EXPECT_EQ(without.tlb, TlbFeatures{});
  EXPECT_EQ(find(without, 7)->ebx & kInvpcid, 0U);
  cpuid[0].ecx |= kPcid, cpuid[0].edx |= kPge;
  const CpuModel model = make_cpu_model(cpuid, mmu::PagingMode::kFourLevel);
  EXPECT_EQ(model.tlb, (TlbFeatures{.global_pages = true, .pcid = true, .invpcid = true}));
  EXPECT_EQ(find(model, 1)->ecx & kPcid, kPcid);
  EXPECT_EQ(find(model, 7)->ebx & kInvpcid, kInvpcid);
  EXPECT_EQ(model.cr4, without.cr4);
}

TEST(CpuModel, FiveLevelsAreAnnouncedWhereTheyAreInUse) {
  constexpr std::uint32_t kLa57 = 1U << 16;
  EXPECT_EQ(find(make_cpu_model(large_cpu(), mmu::PagingMode::kFourLevel), 7)->ecx & kLa57, 0U);
  EXPECT_EQ(find(make_cpu_model(large_cpu(), mmu::PagingMode::kFiveLevel), 7)->ecx & kLa57, kLa57);
}

}  // namespace
}  // namespace faultline::vmm::kvm

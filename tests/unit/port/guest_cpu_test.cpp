#include "vmm/port/guest_cpu.hpp"

#include <gtest/gtest.h>

namespace faultline::vmm {
namespace {

constexpr CpuidRegs kAll{~0U, ~0U, ~0U, ~0U};
constexpr std::uint64_t kAvx512 = 0xe7;

TEST(GuestCpu, StateComponentsLeaveOutProtectionKeysAndAmx) {
  EXPECT_EQ(guest_state_components(0x602e7), kAvx512);
  EXPECT_EQ(guest_state_components(3), 3U);
}

TEST(GuestCpu, WhatALibraryChoosesItsCodeByIsTheHosts) {
  constexpr std::uint32_t kOsxsaveAvxSse42 = 1U << 27 | 1U << 28 | 1U << 20;
  EXPECT_EQ(guest_cpuid(1, 0, kAll, kAvx512).ecx & kOsxsaveAvxSse42, kOsxsaveAvxSse42);
  EXPECT_EQ(guest_cpuid(1, 0, kAll, kAvx512).edx, ~0U);
  constexpr std::uint32_t kAvx2ErmsAvx512Rtm = 1U << 5 | 1U << 9 | 1U << 16 | 1U << 11;
  EXPECT_EQ(guest_cpuid(7, 0, kAll, kAvx512).ebx & kAvx2ErmsAvx512Rtm, kAvx2ErmsAvx512Rtm);
  EXPECT_NE(guest_cpuid(0x8000'0001, 0, kAll, kAvx512).ecx & 1U << 5, 0U) << "LZCNT";
  EXPECT_EQ(guest_cpuid(4, 3, kAll, kAvx512), kAll) << "caches";
}

TEST(GuestCpu, WhatNoGuestCouldUseIsHidden) {
  EXPECT_EQ(guest_cpuid(1, 0, kAll, kAvx512).ecx & 1U << 17, 0U) << "PCID";
  EXPECT_EQ(guest_cpuid(7, 0, kAll, kAvx512).ecx & (1U << 3 | 1U << 4 | 1U << 16), 0U) << "PKU, OSPKE, LA57";
  EXPECT_EQ(guest_cpuid(7, 0, kAll, kAvx512).edx & (1U << 22 | 1U << 24 | 1U << 25), 0U) << "AMX";
  EXPECT_EQ(guest_cpuid(7, 1, kAll, kAvx512).edx & 1U << 19, 0U) << "AVX10";
  EXPECT_EQ(guest_cpuid(7, 2, kAll, kAvx512), kAll);
  for (const std::uint32_t leaf : {0xaU, 0xbU, 0x1dU, 0x1eU, 0x1fU, 0x24U, 0x4000'0000U, 0x4000'0001U})
    EXPECT_EQ(guest_cpuid(leaf, 0, kAll, kAvx512), CpuidRegs{}) << leaf;
}

TEST(GuestCpu, ExtendedStateIsThatOfTheGuest) {
  const CpuidRegs main = guest_cpuid(0xd, 0, kAll, 1ULL << 40 | kAvx512);
  EXPECT_EQ(main.eax, kAvx512);
  EXPECT_EQ(main.edx, 1U << 8);
  EXPECT_EQ(guest_cpuid(0xd, 1, kAll, kAvx512).eax, 7U) << "neither XSAVES nor XFD";
  EXPECT_EQ(guest_cpuid(0xd, 2, kAll, kAvx512), kAll);
  EXPECT_EQ(guest_cpuid(0xd, 9, kAll, kAvx512), CpuidRegs{}) << "PKRU";
  EXPECT_EQ(guest_cpuid(0xd, 18, kAll, kAvx512), CpuidRegs{}) << "AMX";
  EXPECT_EQ(guest_cpuid(0xd, 64, kAll, ~0ULL), CpuidRegs{});
}

}  // namespace
}  // namespace faultline::vmm

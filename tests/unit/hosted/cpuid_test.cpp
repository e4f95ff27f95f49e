#include "vmm/hosted/cpuid.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace faultline::vmm::hosted {
namespace {

std::size_t length(const std::vector<unsigned>& code) {
  std::vector<std::byte> bytes;
  for (const unsigned byte : code) bytes.push_back(static_cast<std::byte>(byte));
  return length_of_cpuid(bytes);
}

TEST(LengthOfCpuid, WithAndWithoutPrefixes) {
  EXPECT_EQ(length({0x0f, 0xa2}), 2U);
  EXPECT_EQ(length({0x0f, 0xa2, 0xc3}), 2U);
  EXPECT_EQ(length({0x48, 0x0f, 0xa2}), 3U);
  EXPECT_EQ(length({0x66, 0x2e, 0x0f, 0xa2}), 4U);
}

TEST(LengthOfCpuid, AnotherInstructionOrPartOfOne) {
  EXPECT_EQ(length({}), 0U);
  EXPECT_EQ(length({0x0f}), 0U);
  EXPECT_EQ(length({0x0f, 0x0b}), 0U);
  EXPECT_EQ(length({0xf4}), 0U);
  EXPECT_EQ(length({0x90, 0x0f, 0xa2}), 0U);
  EXPECT_EQ(length({0xf0, 0x0f, 0xa2}), 0U) << "LOCK: #UD";
}

TEST(Cpuid, SizesFollowTheComponents) {
  EXPECT_EQ(Cpuid::standard_bytes(3), 576U);
  EXPECT_EQ(Cpuid(3, 0).answer(0xd, 0).ebx, 576U);
  EXPECT_EQ(Cpuid(3, 0).answer(0xd, 0).eax, 3U);
  EXPECT_EQ(Cpuid(3, 0).answer(0xd, 1).ebx, 576U);
  EXPECT_EQ(Cpuid(3, 0).answer(0xd, 2), CpuidRegs{});
}

TEST(Cpuid, NothingOfTheCpuThatTheHostHappensToRunOn) {
  EXPECT_EQ(Cpuid(3, 5).answer(1, 0).ebx >> 24, 5U);
  EXPECT_EQ(Cpuid(3, 5).answer(0xb, 0), CpuidRegs{});
  EXPECT_EQ(Cpuid(3, 5).answer(0x1f, 0), CpuidRegs{});
}

TEST(Cpuid, LeavesThatAreNotThere) {
  EXPECT_EQ(Cpuid(3, 0).answer(0x3fff'ffff, 0), CpuidRegs{});
  EXPECT_EQ(Cpuid(3, 0).answer(0xffff'ffff, 0), CpuidRegs{});
}

}  // namespace
}  // namespace faultline::vmm::hosted

// The entries that a VMA's protection makes: Linux protection_map and vm_page_prot on x86-64.
#include "mmu/space/vm_flags.hpp"

#include <gtest/gtest.h>

namespace faultline::mmu {
namespace {

constexpr std::uint32_t kR = VmFlags::kRead, kW = VmFlags::kWrite, kX = VmFlags::kExec, kS = VmFlags::kShared;
constexpr std::uint64_t kNx = 1ULL << 63;

TEST(VmFlags, PageProtections) {
  struct Row {
    std::uint32_t flags;
    std::uint64_t prot;
  };
  constexpr Row kRows[] = {{0, 0x120},
                           {kS, 0x120},
                           {kR, 0x025 | kNx},
                           {kR | kX, 0x025},
                           {kX, 0x025},
                           {kR | kW, 0x025 | kNx},  // private: W comes with a fault
                           {kW, 0x025 | kNx},
                           {kR | kW | kX, 0x025},
                           {kR | kS, 0x025 | kNx},
                           {kR | kW | kS, 0x027 | kNx},
                           {kW | kS, 0x027 | kNx},
                           {kR | kW | kX | kS, 0x027}};
  for (const Row& row : kRows) EXPECT_EQ(VmFlags(row.flags).page_prot(), row.prot) << VmFlags(row.flags).text();
}

TEST(VmFlags, KeysReachTheEntry) {
  for (unsigned key = 0; key < 16; ++key) {
    const VmFlags flags = VmFlags(kR).with_pkey(7).with_pkey(key);
    EXPECT_EQ(flags.pkey(), key);
    EXPECT_TRUE(flags.has(kR));
    EXPECT_EQ((flags.page_prot() & Pte::kPkeyMask) >> 59, key);
    EXPECT_EQ(Pte::make(Gfn(5), flags.page_prot()).frame(), Gfn(5));
  }
}

// A written private page, a table, and PROT_NONE with its frame inverted (L1TF).
TEST(VmFlags, WholeEntries) {
  const Gfn frame(0x12345);
  const std::uint64_t rw = VmFlags(kR | kW).page_prot();
  EXPECT_EQ(Pte::make(frame, rw | Pte::kWrite | Pte::kDirty).raw(), 0x1234'5067ULL | kNx);
  EXPECT_EQ(Pte::make(frame, Pte::kTableFlags).raw(), 0x1234'5067ULL);
  const Pte none = Pte::make(frame, rw).with_protection(VmFlags(0).page_prot());
  EXPECT_EQ(none.raw(), (~0x1234'5000ULL & Pte::kAddressMask) | 0x120);
  EXPECT_EQ(none.frame(), frame);
  EXPECT_EQ(none.with_protection(rw), Pte::make(frame, rw));
}

}  // namespace
}  // namespace faultline::mmu

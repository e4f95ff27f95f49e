// Encodings of Linux arch/x86/include/asm/pgtable_64.h ("Encode and de-code a swap entry").
#include "mmu/arch/swap_entry.hpp"

#include <gtest/gtest.h>

namespace faultline::mmu {
namespace {

TEST(SwapEntry, TypeOnTopAndOffsetInverted) {
  // Type 0, offset 0: all offset bits are ones.
  EXPECT_EQ(SwapEntry(0, 0).pte().raw(), 0x07ff'ffff'ffff'fe00ULL);
  EXPECT_EQ(SwapEntry(0, 1).pte().raw(), 0x07ff'ffff'ffff'fc00ULL);
  EXPECT_EQ(SwapEntry(1, 0).pte().raw(), 0x0fff'ffff'ffff'fe00ULL);
  EXPECT_EQ(SwapEntry(31, (1ULL << 50) - 1).pte().raw(), 0xf800'0000'0000'0000ULL);
}

TEST(SwapEntry, ComesBackWhateverItIs) {
  for (unsigned type = 0; type < 32; ++type) {
    for (unsigned bit = 0; bit <= SwapEntry::kOffsetBits; ++bit) {
      const std::uint64_t offset = (1ULL << bit) - 1;
      const SwapEntry entry(type, offset);
      for (const std::uint64_t flags :
           {std::uint64_t{0}, SwapEntry::kSoftDirty, SwapEntry::kUffdWp, SwapEntry::kExclusive}) {
        const Pte pte = entry.pte().with(flags);
        EXPECT_EQ(SwapEntry(pte), entry);
        EXPECT_FALSE(pte.present());
        EXPECT_FALSE(pte.has(Pte::kProtNone));
      }
    }
  }
}

TEST(SwapEntry, KindsByType) {
  EXPECT_EQ(SwapEntry(0, 5).pte().kind(1), PteKind::kSwap);
  EXPECT_EQ(SwapEntry(SwapEntry::kMaxSwapfiles - 1, 5).pte().kind(1), PteKind::kSwap);
  EXPECT_EQ(SwapEntry(SwapEntry::kMigrationRead, 5).pte().kind(1), PteKind::kMigration);
  EXPECT_EQ(SwapEntry(SwapEntry::kMigrationReadExclusive, 5).pte().kind(1), PteKind::kMigration);
  EXPECT_EQ(SwapEntry(SwapEntry::kMigrationWrite, 5).pte().kind(1), PteKind::kMigration);
  EXPECT_EQ(kGuardEntry.kind(1), PteKind::kMarker);
  EXPECT_TRUE(SwapEntry(kGuardEntry).guard());
  EXPECT_FALSE(SwapEntry(SwapEntry::kMarker, SwapEntry::kMarkerPoisoned).guard());
  for (const PteKind kind : {kGuardEntry.kind(1), SwapEntry(30, 1).pte().kind(1)}) EXPECT_NE(kind, PteKind::kNone);
}

// Seen natively: the pagemap of a guard page is bits 62 and 58 over 0x9f.
TEST(SwapEntry, PagemapShowsTypeAndOffset) {
  EXPECT_EQ(SwapEntry(kGuardEntry).pagemap(), 0x9fULL);
  EXPECT_EQ(SwapEntry(0, 1).pagemap(), 0x20ULL);
}

TEST(SwapEntry, IsDescribed) {
  EXPECT_NE(kGuardEntry.describe(1).find("marker type 31 offset 0x4"), std::string::npos);
  EXPECT_NE(SwapEntry(2, 7).pte().describe(1).find("swap type 2 offset 0x7"), std::string::npos);
  EXPECT_NE(SwapEntry(30, 7).pte().describe(1).find("migration type 30"), std::string::npos);
}

}  // namespace
}  // namespace faultline::mmu

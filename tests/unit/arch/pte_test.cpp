#include "mmu/arch/pte.hpp"

#include <gtest/gtest.h>

#include "mmu/arch/error_code.hpp"

namespace faultline::mmu {
namespace {

TEST(Pte, EveryValueHasOneKind) {
  EXPECT_EQ(Pte().kind(1), PteKind::kNone);
  EXPECT_EQ(Pte(0x1000 | Pte::kPresent).kind(1), PteKind::kLeaf);
  EXPECT_EQ(Pte(0x1000 | Pte::kPresent).kind(2), PteKind::kTable);
  EXPECT_EQ(Pte(Pte::kPresent | Pte::kPageSizeBit).kind(1), PteKind::kLeaf);  // PAT
  EXPECT_EQ(Pte(Pte::kPresent | Pte::kPageSizeBit).kind(2), PteKind::kLeaf);
  EXPECT_EQ(Pte(Pte::kPresent | Pte::kPageSizeBit).kind(3), PteKind::kLeaf);
  EXPECT_EQ(Pte(Pte::kPresent | Pte::kPageSizeBit).kind(4), PteKind::kTable);  // reserved, not huge
  EXPECT_EQ(Pte(Pte::kProtNone | Pte::kAccessed).kind(1), PteKind::kProtNone);
  EXPECT_EQ(Pte(0x4000).kind(1), PteKind::kSwap);
}

TEST(Pte, FramesOfHugeLeavesLeaveOutPatAndOffset) {
  const std::uint64_t huge = 0x4020'0000 | Pte::kPresent | Pte::kPageSizeBit | Pte::kPatHuge;
  EXPECT_EQ(Pte(huge).frame(2), Gfn(0x40200));
  EXPECT_EQ(Pte(0x4000'0000 | Pte::kPresent | Pte::kPageSizeBit | Pte::kPatHuge).frame(3), Gfn(0x40000));
  EXPECT_EQ(Pte(0x000f'ffff'ffff'f000 | Pte::kPresent).frame(1), Gfn(0xff'ffff'ffff));  // 52 bits
  EXPECT_EQ(Pte(0x1000 | Pte::kPresent | Pte::kNoExecute).frame(1), Gfn(1));
}

TEST(Pte, ProtNoneHoldsTheFrameInverted) {
  const Pte readable = Pte::make(Gfn(0x1234), Pte::kPresent | Pte::kUser | Pte::kAccessed | Pte::kDirty);
  const Pte none = readable.with_protection(Pte::kAccessed | Pte::kProtNone);
  EXPECT_FALSE(none.present());
  EXPECT_EQ(none.kind(1), PteKind::kProtNone);
  EXPECT_EQ(none.raw() & Pte::kAddressMask, ~Gpa(Gfn(0x1234)).raw() & Pte::kAddressMask);
  EXPECT_EQ(none.frame(), Gfn(0x1234));
  EXPECT_TRUE(none.dirty());
  const Pte back = none.with_protection(Pte::kPresent | Pte::kUser | Pte::kWrite | Pte::kAccessed);
  EXPECT_EQ(back.frame(), Gfn(0x1234));
  EXPECT_TRUE(back.has(Pte::kPresent | Pte::kWrite | Pte::kDirty));
  EXPECT_FALSE(back.has(Pte::kProtNone));
}

TEST(Pte, ProtectionKeepsHistoryAndDropsOldRights) {
  const Pte old = Pte::make(Gfn(7), Pte::kPresent | Pte::kWrite | Pte::kUser | Pte::kDirty | Pte::kSpecial);
  const Pte now = old.with_protection(Pte::kPresent | Pte::kUser | Pte::kNoExecute);
  EXPECT_TRUE(now.has(Pte::kDirty | Pte::kSpecial | Pte::kNoExecute));
  EXPECT_FALSE(now.writable());
}

TEST(Pte, DescriptionsNameBitsAsTheManualDoes) {
  EXPECT_EQ(Pte().describe(1), "none");
  EXPECT_EQ(Pte(0x8000'0000'0001'2067).describe(1), "0x8000000000012067 [P W U A D NX] frame 0x12");
  EXPECT_EQ(Pte(0x12067).describe(2), "0x0000000000012067 [P W U A D] table 0x12");
  EXPECT_EQ(Pte(0x2000e7).flag_names(2), "P W U A D PS");
  EXPECT_EQ(Pte(0x2000e7).flag_names(1), "P W U A D PAT");
}

TEST(ErrorCode, IsSpelledOut) {
  EXPECT_EQ(ErrorCode(4).spelled_out(), "user read, page not present");
  EXPECT_EQ(ErrorCode(7).spelled_out(), "user write, protection violation");
  EXPECT_EQ(ErrorCode(0x15).spelled_out(), "user instruction fetch, protection violation");
  EXPECT_EQ(ErrorCode(0).spelled_out(), "supervisor read, page not present");
  EXPECT_EQ(ErrorCode(0xd).spelled_out(), "user read, reserved bit set in an entry");
  EXPECT_EQ(ErrorCode(0x25).spelled_out(), "user read, protection key denies it");
  EXPECT_EQ(ErrorCode(0x1f).bit_names(), "P W U RSVD I");
  EXPECT_EQ(ErrorCode(0).bit_names(), "-");
}

TEST(PagingMode, Geometry) {
  EXPECT_TRUE(is_canonical(Gva(0x7fff'ffff'ffff), PagingMode::kFourLevel));
  EXPECT_FALSE(is_canonical(Gva(0x8000'0000'0000), PagingMode::kFourLevel));
  EXPECT_TRUE(is_canonical(Gva(0x8000'0000'0000), PagingMode::kFiveLevel));
  EXPECT_TRUE(is_canonical(Gva(0xff00'0000'0000'0000), PagingMode::kFiveLevel));
  EXPECT_FALSE(is_canonical(Gva(0xff00'0000'0000'0000), PagingMode::kFourLevel));
  EXPECT_FALSE(is_canonical(Gva(0x0100'0000'0000'0000), PagingMode::kFiveLevel));
  EXPECT_EQ(table_index(Gva(0x7fff'ffff'f000), 4), 255u);
  EXPECT_EQ(table_index(Gva(0x00ff'ffff'ffff'f000), 5), 255u);
  EXPECT_EQ(linux_level_name(4, PagingMode::kFourLevel), "PGD");
  EXPECT_EQ(linux_level_name(4, PagingMode::kFiveLevel), "P4D");
}

TEST(Address, ArithmeticIsChecked) {
  EXPECT_EQ(Gva(~0ULL).checked_add(1), std::nullopt);
  EXPECT_EQ(Gva(1).checked_add(2), Gva(3));
  EXPECT_DEATH((void)(Gva(~0ULL) + 1), "internal error");
  EXPECT_DEATH((void)(Gva(1) - 2), "internal error");
  EXPECT_EQ(Gva(0x1234).page_base(), Gva(0x1000));
  EXPECT_EQ(Gva(0x1234).page(), Vpn(1));
}

}  // namespace
}  // namespace faultline::mmu

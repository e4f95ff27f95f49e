#include "vmm/kernel/table_guard.hpp"

#include <cstring>

#include "mmu/pgtable/gather.hpp"
#include "tests/unit/support/guest_memory.hpp"

namespace faultline::vmm::kernel {
namespace {

using mmu::Pte;

constexpr Gva kAddress(0x4000'0000);

class TableGuardTest : public testing::TestWithParam<mmu::PagingMode> {
 protected:
  void SetUp() override {
    slot = tables->populate(kAddress);
    poke(slot.address(), kLeaf);
  }
  void TearDown() override {
    poke(slot.address(), 0);
    mmu::TlbGather gather(*tables);
    tables->free_tables(kAddress, kAddress + kPageSize, Gva(0), mmu::task_size_max(GetParam()), gather);
    gather.flush();
  }
  std::uint64_t peek(Gpa at) const {
    std::uint64_t value = 0;
    std::memcpy(&value, g.frames.memory().at(at), sizeof value);
    return value;
  }
  void poke(Gpa at, std::uint64_t value) const { std::memcpy(g.frames.memory().at(at), &value, sizeof value); }
  void hand_over() {
    const Gfn root = tables->root();
    guard.hand_over({&root, 1});
  }
  // The entry of each level on the way to kAddress.
  Gpa at_level(mmu::Level level) const {
    const mmu::Walk walk = tables->walk(kAddress);
    return walk.steps[walk.steps[0].level - level].slot;
  }

  static constexpr std::uint64_t kLeaf = 0x20'0000 | Pte::kPresent | Pte::kWrite | Pte::kUser;
  test::GuestMemory g{16ULL << 20, GetParam()};
  std::unique_ptr<mmu::PageTables> tables = mmu::PageTables::create(g.frames, g.sink, GetParam(), Gfn(0));
  mmu::PteSlot slot;
  TableGuard guard{g.frames, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Modes, TableGuardTest,
                         testing::Values(mmu::PagingMode::kFourLevel, mmu::PagingMode::kFiveLevel), test::mode_name);

TEST_P(TableGuardTest, AccessedAndDirtyAreTheCpus) {
  hand_over();
  EXPECT_EQ(guard.take_back(), std::nullopt);
  hand_over();
  poke(slot.address(), kLeaf | Pte::kAccessed | Pte::kDirty);
  poke(at_level(2), peek(at_level(2)) & ~std::uint64_t{Pte::kAccessed});
  EXPECT_EQ(guard.take_back(), std::nullopt);
  EXPECT_EQ(peek(slot.address()), kLeaf | Pte::kAccessed | Pte::kDirty) << "they stay";
}

TEST_P(TableGuardTest, AnyOtherBitOfAnyLevelIsNoticedAndPutBack) {
  for (mmu::Level level = 1; level <= mmu::levels(GetParam()); ++level) {
    const Gpa at = at_level(level);
    const std::uint64_t before = peek(at);
    for (unsigned bit = 0; bit < 64; ++bit) {
      if (bit == 5 || bit == 6) continue;
      hand_over();
      poke(at, before ^ 1ULL << bit);
      EXPECT_EQ(guard.take_back(), at) << "level " << level << ", bit " << bit;
      EXPECT_EQ(peek(at), before);
    }
  }
}

TEST_P(TableGuardTest, OfAnAbsentEntryEveryBitCounts) {
  const Gpa other = slot.address() + 8;
  for (const std::uint64_t value : {std::uint64_t{Pte::kAccessed}, std::uint64_t{Pte::kDirty}, kLeaf}) {
    hand_over();
    poke(other, value);
    EXPECT_EQ(guard.take_back(), other);
    EXPECT_EQ(peek(other), 0U);
  }
}

TEST_P(TableGuardTest, CorruptionsAreThereWhileTheProgramRuns) {
  constexpr std::uint64_t kBit = 1ULL << 51;
  const Gpa at = at_level(2);
  const std::uint64_t before = peek(at);
  ASSERT_TRUE(guard.corrupt(at, kBit));
  EXPECT_EQ(peek(at), before) << "not yet";
  for (int round = 0; round < 2; ++round) {
    hand_over();
    EXPECT_EQ(peek(at), before | kBit);
    poke(at, peek(at) | Pte::kAccessed);
    EXPECT_EQ(guard.take_back(), std::nullopt);
    EXPECT_EQ(peek(at), before | Pte::kAccessed);
  }
  guard.show_corruptions();
  EXPECT_NE(peek(at) & kBit, 0U);
  guard.hide_corruptions();
  // The program may not make it good again.
  hand_over();
  poke(at, before);
  EXPECT_EQ(guard.take_back(), at);
  EXPECT_EQ(peek(at) & kBit, 0U);
}

// A table behind a corrupted entry, and one that is kept in reserve, are still the host's.
TEST_P(TableGuardTest, TablesOutOfReachAreGuardedAsWell) {
  hand_over();
  EXPECT_EQ(guard.take_back(), std::nullopt);
  const Gpa parent = at_level(2);
  const std::uint64_t link = peek(parent);
  poke(parent, 0);  // by the host
  hand_over();
  poke(slot.address(), 0);
  EXPECT_EQ(guard.take_back(), slot.address());
  EXPECT_EQ(peek(slot.address()), kLeaf);
  poke(parent, link);
}

TEST_P(TableGuardTest, WhatIsNoTableOfTheHostsCannotBeCorrupted) {
  EXPECT_FALSE(guard.corrupt(Gpa(g.zero), 1)) << "the zero page";
  EXPECT_FALSE(guard.corrupt(Gpa(0x1000), 1)) << "the monitor area";
  EXPECT_FALSE(guard.corrupt(Gpa(1ULL << 40), 1)) << "outside memory";
  // A link to one of them is not followed.
  const std::uint64_t before = peek(at_level(2));
  for (const std::uint64_t frame : {Gpa(g.zero).raw(), std::uint64_t{1} << 40}) {
    poke(at_level(2), frame | Pte::kTableFlags);
    hand_over();
    EXPECT_EQ(guard.take_back(), std::nullopt);
    const mmu::PteSlot parent(g.frames.memory(), tables->walk(kAddress).steps[mmu::levels(GetParam()) - 2].slot.page(),
                              mmu::table_index(kAddress, 2));
    poke(parent.address(), before);
  }
}

}  // namespace
}  // namespace faultline::vmm::kernel

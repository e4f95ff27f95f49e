#include "mmu/pgtable/walk.hpp"

#include <gtest/gtest.h>

#include "mmu/pgtable/editor.hpp"
#include "tests/unit/support/guest_memory.hpp"

namespace faultline::mmu {
namespace {

using test::GuestMemory;

// Writes an entry directly, as a guest kernel or an attacker could.
void poke(GuestMemory& g, Gfn table, unsigned index, std::uint64_t value) {
  std::memcpy(g.frames.memory().page(table).data() + index * 8, &value, 8);
}

class WalkTest : public testing::TestWithParam<PagingMode> {
 protected:
  GuestMemory g{16ULL << 20, GetParam()};
  std::unique_ptr<PageTables> tables = PageTables::create(g.frames, g.sink, GetParam(), Gfn(0));

  // Maps `va` with these leaf flags through fresh tables.
  Gfn map(Gva va, std::uint64_t flags) {
    const Gfn page = g.frames.allocate(FrameKind::kAnon, Zeroing::kNeeded).value();
    TlbGather gather(*tables);
    EXPECT_TRUE(PtEditor(gather).install(tables->populate(va), va.page_base(), Pte::make(page, flags)));
    return page;
  }
  void TearDown() override {
    TlbGather gather(*tables);
    const Gva end = task_size_max(GetParam());
    tables->free_tables(Gva(0), end, Gva(0), end, gather);
    gather.flush();
  }
};
INSTANTIATE_TEST_SUITE_P(EveryMode, WalkTest, testing::ValuesIn(kPagingModes), test::mode_name);

constexpr std::uint64_t kUserRw = Pte::kPresent | Pte::kWrite | Pte::kUser;

TEST_P(WalkTest, TranslatesEveryOffset) {
  const Gva va(0x7f12'3456'7000);
  const Gfn page = map(va, kUserRw);
  for (const std::uint64_t offset : {0ULL, 1ULL, 0xfffULL}) {
    const Walk w = tables->walk(va + offset);
    ASSERT_TRUE(w.mapped());
    EXPECT_EQ(w.count, levels(GetParam()));
    EXPECT_EQ(w.physical(), Gpa(page) + offset);
  }
  EXPECT_FALSE(tables->walk(va + kPageSize).mapped());
  EXPECT_EQ(find_leaf(g.frames.memory(), tables->root(), GetParam(), va).slot.load().frame(), page);
}

TEST_P(WalkTest, PermissionsAreCombinedOverAllLevels) {
  const Gva va(0x40'0000);
  map(va, kUserRw);
  const Walk w = tables->walk(va);
  ASSERT_EQ(w.last().rights, (Rights{.write = true, .user = true, .execute = true}));
  // Take one right away at each level in turn: the last level alone does not decide.
  for (unsigned i = 0; i < w.count; ++i) {
    const WalkStep& s = w.steps[i];
    const unsigned index = table_index(va, s.level);
    const Gfn table = s.slot.page();
    poke(g, table, index, s.entry.without(Pte::kWrite).raw());
    EXPECT_FALSE(tables->walk(va).last().rights.write);
    EXPECT_EQ(blame(tables->walk(va), ErrorCode(7)).level, s.level);
    EXPECT_EQ(blame(tables->walk(va), ErrorCode(7)).bit, "W");
    poke(g, table, index, s.entry.without(Pte::kUser).raw());
    EXPECT_FALSE(tables->walk(va).last().rights.user);
    EXPECT_EQ(blame(tables->walk(va), ErrorCode(5)).bit, "U");
    poke(g, table, index, s.entry.with(Pte::kNoExecute).raw());
    EXPECT_FALSE(tables->walk(va).last().rights.execute);
    EXPECT_EQ(blame(tables->walk(va), ErrorCode(0x15)).bit, "NX");
    poke(g, table, index, s.entry.without(Pte::kPresent).raw());
    EXPECT_EQ(tables->walk(va).end, WalkEnd::kNotPresent);
    EXPECT_EQ(blame(tables->walk(va), ErrorCode(4)).level, s.level);
    poke(g, table, index, s.entry.raw());
  }
  EXPECT_EQ(blame(tables->walk(va), ErrorCode(6)).level, 0u);  // nothing denies it: a stale TLB
}

TEST_P(WalkTest, ReservedBitsFaultAtTheirLevel) {
  const Gva va(0x40'0000);
  map(va, kUserRw);
  const Walk w = tables->walk(va);
  for (unsigned i = 0; i < w.count; ++i) {
    const WalkStep& s = w.steps[i];
    poke(g, s.slot.page(), table_index(va, s.level), s.entry.raw() | 1ULL << 45);
    const Walk bad = walk(g.frames.memory(), tables->root(), GetParam(), va, PagingRules{.phys_bits = 40});
    EXPECT_EQ(bad.end, WalkEnd::kReservedBit);
    EXPECT_EQ(blame(bad, ErrorCode(0xd)).level, s.level);
    EXPECT_EQ(blame(bad, ErrorCode(0xd)).bit, "RSVD");
    poke(g, s.slot.page(), table_index(va, s.level), s.entry.raw());
  }
}

TEST_P(WalkTest, HugeLeavesEndTheWalkAndKeepPatOutOfTheAddress) {
  const Gva va(0x4020'0000);
  map(va, kUserRw);
  const Walk w = tables->walk(va);
  const WalkStep& pde = w.steps[w.count - 2];
  const Gfn table = pde.slot.page();
  poke(g, table, table_index(va, 2), 0x80'0000 | kUserRw | Pte::kPageSizeBit | Pte::kPatHuge);
  const Walk huge = tables->walk(va + 0x12345);
  ASSERT_TRUE(huge.mapped());
  EXPECT_EQ(huge.last().level, 2u);
  EXPECT_EQ(huge.physical(), Gpa(0x80'0000 + 0x12345));
  // Bit 13 is reserved in a 2 MiB leaf.
  poke(g, table, table_index(va, 2), 0x80'2000 | kUserRw | Pte::kPageSizeBit);
  EXPECT_EQ(tables->walk(va).end, WalkEnd::kReservedBit);
  // PS at level 4 and above is reserved, not 512 GiB.
  const WalkStep& top = w.steps[0];
  poke(g, top.slot.page(), table_index(va, top.level), top.entry.with(Pte::kPageSizeBit).raw());
  EXPECT_EQ(tables->walk(va).end, WalkEnd::kReservedBit);
  // Bit 7 of a 4 KiB entry is PAT, no error.
  poke(g, top.slot.page(), table_index(va, top.level), top.entry.raw());
  poke(g, table, table_index(va, 2), pde.entry.raw());
  poke(g, w.last().slot.page(), table_index(va, 1), w.last().entry.with(Pte::kPageSizeBit).raw());
  EXPECT_TRUE(tables->walk(va).mapped());
}

TEST_P(WalkTest, HostileTablesDoNotLeaveMemory) {
  const Gva va(0x40'0000);
  map(va, kUserRw);
  const Walk w = tables->walk(va);
  for (unsigned i = 0; i + 1 < w.count; ++i) {
    const WalkStep& s = w.steps[i];
    poke(g, s.slot.page(), table_index(va, s.level), 0xf'0000'0000'0000 | kUserRw);
    EXPECT_EQ(tables->walk(va).end, WalkEnd::kOutsideMemory);
    EXPECT_FALSE(find_leaf(g.frames.memory(), tables->root(), GetParam(), va).slot.valid());
    poke(g, s.slot.page(), table_index(va, s.level), s.entry.raw());
  }
}

TEST_P(WalkTest, NonCanonicalAddressesAreNotWalked) {
  const std::uint64_t half = 1ULL << (linear_bits(GetParam()) - 1);
  EXPECT_EQ(tables->walk(Gva(half)).end, WalkEnd::kNonCanonical);
  EXPECT_EQ(tables->walk(Gva(~half)).end, WalkEnd::kNonCanonical);
  EXPECT_NE(tables->walk(Gva(half - 1)).end, WalkEnd::kNonCanonical);
  EXPECT_NE(tables->walk(Gva(~half + 1)).end, WalkEnd::kNonCanonical);
}

}  // namespace
}  // namespace faultline::mmu

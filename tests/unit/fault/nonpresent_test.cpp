// Entries that are neither empty nor present: markers, migration, NUMA hints, places on a swap that
// there is not.
#include "mmu/arch/swap_entry.hpp"
#include "tests/unit/support/hooked_fault_fixture.hpp"

namespace faultline::mmu {
namespace {

constexpr std::uint32_t kRead = 4, kWrite = 6;

using NonpresentTest = HookedFaultTest;
INSTANTIATE_TEST_SUITE_P(Modes, NonpresentTest, testing::ValuesIn(kPagingModes), test::mode_name);

TEST_P(NonpresentTest, Markers) {
  add(kBase, 1, kRwFlags);
  const PteSlot slot = mm->tables().populate(kBase);
  struct Row {
    std::uint64_t marker;
    FaultResult result;
    FaultStep decided;
  };
  constexpr Row kRows[] = {
      {SwapEntry::kMarkerGuard, FaultResult::kSegvMapErr, FaultStep::kGuard},
      {SwapEntry::kMarkerPoisoned, FaultResult::kBusAdrErr, FaultStep::kPoison},
      {SwapEntry::kMarkerPoisoned | SwapEntry::kMarkerGuard, FaultResult::kBusAdrErr, FaultStep::kPoison},
      {0, FaultResult::kBusAdrErr, FaultStep::kBadEntry}};
  for (const Row& row : kRows) {
    poke(slot, SwapEntry(SwapEntry::kMarker, row.marker).pte());
    const FaultOutcome o = fault(kBase, kRead);
    EXPECT_EQ(o.result, row.result) << row.marker;
    EXPECT_EQ(o.path.decided_by(), row.decided) << row.marker;
  }
  // Nobody protects anything from writing any more: the marker goes, the next attempt maps.
  poke(slot, SwapEntry(SwapEntry::kMarker, SwapEntry::kMarkerUffdWp).pte());
  EXPECT_TRUE(fault(kBase, kWrite).resolved());
  EXPECT_TRUE(entry(kBase).none());
  EXPECT_TRUE(fault(kBase, kWrite).resolved());
  EXPECT_TRUE(entry(kBase).writable());
}

TEST_P(NonpresentTest, MigrationIsWaitedFor) {
  add(kBase, 1, kRwFlags);
  fault(kBase, kWrite);
  const Pte page = entry(kBase);
  const PteSlot slot = mm->tables().find(kBase);
  poke(slot, SwapEntry(SwapEntry::kMigrationWrite, page.frame().raw()).pte());
  hooks.on_migration = [&](AddressSpace&, Gva, PteSlot s) { poke(s, page); };
  const FaultOutcome o = fault(kBase, kWrite);
  EXPECT_TRUE(o.resolved());
  EXPECT_EQ(o.path.decided_by(), FaultStep::kMigrationWait);
  EXPECT_EQ(hooks.migration_waits, 1);
  EXPECT_EQ(entry(kBase), page);
}

TEST_P(NonpresentTest, NumaHintGivesBackWhatTheEntryHad) {
  add(kBase, 2, kRwFlags);
  fault(kBase, kWrite);
  fault(kBase + kPageSize, kRead);
  for (const std::uint64_t n : {0U, 1U}) {
    const Gva at = kBase + n * kPageSize;
    const Pte before = entry(at);
    poke(mm->tables().find(at), before.with_protection(VmFlags().page_prot()));
    ASSERT_EQ(entry(at).kind(1), PteKind::kProtNone);
    const FaultOutcome o = fault(at, kRead);
    EXPECT_EQ(o.path.decided_by(), FaultStep::kProtNone);
    EXPECT_EQ(entry(at), before);  // W too where the page is our own
  }
}

TEST_P(NonpresentTest, AnEntryThatNobodyWroteIsACorruptedTable) {
  add(kBase, 1, kRwFlags);
  const PteSlot slot = mm->tables().populate(kBase);
  poke(slot, SwapEntry(0, 7).pte());
  for (const std::uint32_t error : {kRead, kWrite}) {
    const FaultOutcome o = fault(kBase, error);
    EXPECT_EQ(o.result, FaultResult::kPgtableBad);
    EXPECT_EQ(o.path.decided_by(), FaultStep::kBadEntry);
  }
  poke(slot, Pte());
}

}  // namespace
}  // namespace faultline::mmu

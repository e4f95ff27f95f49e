#include "mmu/pgtable/page_tables.hpp"

#include <gtest/gtest.h>

#include "mmu/pgtable/editor.hpp"
#include "tests/unit/support/guest_memory.hpp"

namespace faultline::mmu {
namespace {

using test::GuestMemory;

class PageTablesTest : public testing::TestWithParam<PagingMode> {
 protected:
  GuestMemory g{16ULL << 20, GetParam()};
  std::unique_ptr<PageTables> tables = PageTables::create(g.frames, g.sink, GetParam(), Gfn(0));
  Gva top = task_size_max(GetParam());

  void free_all() {
    TlbGather gather(*tables);
    tables->free_tables(Gva(0), top, Gva(0), top, gather);
    gather.flush();
  }
};
INSTANTIATE_TEST_SUITE_P(EveryMode, PageTablesTest, testing::ValuesIn(kPagingModes), test::mode_name);

TEST_P(PageTablesTest, PopulateLinksTablesAsLinuxWritesThem) {
  EditLog log;
  const PteSlot slot = tables->populate(Gva(0x1234'5000), &log);
  ASSERT_TRUE(slot.valid());
  EXPECT_EQ(log.total_edits(), levels(GetParam()) - 1);
  for (const PteEdit& e : log.edits()) {
    EXPECT_TRUE(e.before.none());
    EXPECT_EQ(e.after.raw() & 0xfff, 0x067u);
    EXPECT_EQ(e.address.raw() % level_span(e.level), 0u);
  }
  EXPECT_EQ(tables->table_bytes(), (levels(GetParam()) - 1) * kPageSize);
  // A neighbour needs no more tables; an address 2 MiB on needs one.
  EXPECT_EQ(tables->populate(Gva(0x1234'6000)).address(), slot.address() + 8);
  EXPECT_EQ(tables->tables(), levels(GetParam()) - 1);
  (void)tables->populate(Gva(0x1254'5000));
  EXPECT_EQ(tables->tables(), levels(GetParam()));
  free_all();
  EXPECT_EQ(tables->tables(), 0u);
  tables.reset();
  EXPECT_EQ(g.frames.used_frames(), 1u);  // the zero page
}

TEST_P(PageTablesTest, FreeTablesKeepsWhatNeighboursNeed) {
  (void)tables->populate(Gva(0x4000'0000));
  (void)tables->populate(Gva(0x4020'0000));
  const std::uint64_t before = tables->tables();
  {
    // A VMA below ends in the same 2 MiB: the page table stays.
    TlbGather gather(*tables);
    tables->free_tables(Gva(0x4000'1000), Gva(0x4000'2000), Gva(0x4000'1000), top, gather);
    gather.flush();
    EXPECT_EQ(tables->tables(), before);
  }
  {
    TlbGather gather(*tables);
    tables->free_tables(Gva(0x4000'0000), Gva(0x4020'0000), Gva(0), Gva(0x4020'0000), gather);
    gather.flush();
    EXPECT_EQ(tables->tables(), before - 1);
    EXPECT_FALSE(tables->find(Gva(0x4000'0000)).valid());
    EXPECT_TRUE(tables->find(Gva(0x4020'0000)).valid());
  }
  free_all();
}

TEST_P(PageTablesTest, TablesAreFreedOnlyAfterTheFlush) {
  (void)tables->populate(Gva(0x4000'0000));
  const std::uint64_t used = g.frames.used_frames();
  g.sink.on_flush = [&](const TlbBatch& batch) {
    EXPECT_TRUE(batch.tables_freed);
    EXPECT_EQ(g.frames.used_frames(), used);
  };
  free_all();
  EXPECT_EQ(g.sink.batches.size(), 1u);
  EXPECT_EQ(g.frames.used_frames(), used - (levels(GetParam()) - 1));
}

TEST_P(PageTablesTest, ShadowHoldsATableForTheEntryItHungFrom) {
  g.sink.tables_reusable = false;
  const Gpa slot = tables->populate(Gva(0x4000'0000)).address();
  free_all();
  EXPECT_EQ(tables->tables(), 0u);
  const std::uint64_t used = g.frames.used_frames();
  // Another place gets other frames; the same place gets its old ones back.
  const Gpa elsewhere = tables->populate(Gva(0x9000'0000)).address();
  EXPECT_NE(elsewhere.page(), slot.page());
  EXPECT_EQ(tables->populate(Gva(0x4000'0000)).address(), slot);
  EXPECT_GT(g.frames.used_frames(), used);
  EXPECT_EQ(g.sink.full_drops, 0);
  free_all();
  tables.reset();
  EXPECT_EQ(g.sink.full_drops, 1);
  EXPECT_EQ(g.frames.used_frames(), 1u);
}

TEST_P(PageTablesTest, TooManyHeldTablesAreDroppedAtOnce) {
  g.sink.tables_reusable = false;
  for (std::uint64_t i = 0; i <= PageTables::kMaxHeld; ++i) {
    const Gva va(i * level_span(2));
    (void)tables->populate(va);
    TlbGather gather(*tables);
    tables->free_tables(va, va + kPageSize, va, va + level_span(2), gather);
    gather.flush();
  }
  EXPECT_EQ(g.sink.full_drops, 1);
  free_all();
}

TEST_P(PageTablesTest, PopulateFailsCleanlyAtEachAllocation) {
  for (std::uint64_t nth = 1; nth < levels(GetParam()); ++nth) {
    g.frames.fail_nth(nth);
    EXPECT_FALSE(tables->populate(Gva(0x4000'0000)).valid());
    free_all();
    EXPECT_EQ(tables->tables(), 0u);
    EXPECT_EQ(g.frames.used_frames(), 2u);  // zero page and root
  }
}

// A shadow's tables that are held make no difference to failures that are asked for.
TEST_P(PageTablesTest, AHeldTableIsAnAllocationThatCanFail) {
  g.sink.tables_reusable = false;
  for (std::uint64_t nth = 1; nth < levels(GetParam()); ++nth) {
    ASSERT_TRUE(tables->populate(Gva(0x4000'0000)).valid());
    free_all();
    g.frames.fail_nth(nth);
    EXPECT_FALSE(tables->populate(Gva(0x4000'0000)).valid()) << nth;
    EXPECT_EQ(g.frames.failing_nth(), 0u) << nth;
    free_all();
    g.frames.fail_nth(nth);
    EXPECT_FALSE(tables->populate(Gva(0x9000'0000)).valid()) << nth << ", where none is held";
    free_all();
  }
  EXPECT_EQ(g.sink.full_drops, 0);
}

struct RetiringSink final : TlbSink {
  TlbAction flush(const TlbBatch&) override { return TlbAction::kFrameDrop; }
  [[nodiscard]] bool tables_reusable_after_flush() const override { return false; }
  TlbAction drop_all() override { return ++drops, TlbAction::kFullDrop; }
  TlbAction end(Gpa) override { return TlbAction::kNone; }
  [[nodiscard]] bool retires_tables() const override { return true; }
  int drops = 0;
};

// Tables of an address space that is gone, whose shadow is not, serve as nothing until memory is taken back.
TEST(PageTables, ThoseThatAreRetiredServeNobody) {
  GuestMemory g(16ULL << 20);
  RetiringSink sink;
  const FrameAllocator::Mark before = g.frames.mark();
  auto tables = PageTables::create(g.frames, sink, PagingMode::kFourLevel, Gfn(0));
  ASSERT_TRUE(tables->populate(Gva(0x4000'0000)).valid());
  ASSERT_TRUE(tables->populate(Gva(0x9000'0000)).valid());
  {
    TlbGather gather(*tables);  // one is held when it ends
    tables->free_tables(Gva(0x9000'0000), Gva(0x9000'1000), Gva(0x8000'0000), Gva(0xa000'0000), gather);
    gather.flush();
  }
  std::vector<Gfn> used;
  for (Gfn frame = g.frames.first(); frame < g.frames.high_water(); frame = frame + 1)
    if (g.frames.at(frame).kind == FrameKind::kTable) used.push_back(frame);
  EXPECT_EQ(used.size(), 6U);
  {
    TlbGather gather = TlbGather::for_exit(*tables);
    tables->free_tables(Gva(0), task_size_max(PagingMode::kFourLevel), Gva(0), task_size_max(PagingMode::kFourLevel),
                        gather);
  }
  tables.reset();
  EXPECT_EQ(sink.drops, 0);
  EXPECT_EQ(g.frames.used_frames(), before.used_frames());
  EXPECT_EQ(g.frames.check_invariants(), std::nullopt);
  const std::uint64_t left = g.frames.free_frames();
  std::uint64_t got = 0;
  while (const auto frame = g.frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded)) {
    EXPECT_EQ(std::ranges::count(used, *frame), 0);
    ++got;
  }
  EXPECT_EQ(got, left);
  g.frames.rewind(before);
  EXPECT_EQ(g.frames.check_invariants(), std::nullopt);
  EXPECT_EQ(g.frames.free_frames(), left + used.size());
}

TEST(PageTables, KernelHalfIsShared) {
  GuestMemory g(16ULL << 20);
  const Gfn half = g.frames.allocate(FrameKind::kTable, Zeroing::kNeeded).value();
  const std::uint64_t entry = 0x123000 | Pte::kKernelTableFlags;
  std::memcpy(g.frames.memory().page(half).data() + 511 * 8, &entry, 8);
  const auto tables = PageTables::create(g.frames, g.sink, PagingMode::kFourLevel, half);
  EXPECT_EQ(PteSlot(g.frames.memory(), tables->root(), 511).load().raw(), entry);
}

// Editor ---------------------------------------------------------------------------------

struct EditorTest : testing::Test {
  GuestMemory g{16ULL << 20};
  std::unique_ptr<PageTables> tables = PageTables::create(g.frames, g.sink, PagingMode::kFourLevel, Gfn(0));
  Gva va{0x4000'0000};
  PteSlot slot = tables->populate(va);
  Gfn a = g.frames.allocate(FrameKind::kAnon, Zeroing::kNeeded).value();
  Gfn b = g.frames.allocate(FrameKind::kAnon, Zeroing::kNeeded).value();
  static constexpr std::uint64_t kRw = Pte::kPresent | Pte::kWrite | Pte::kUser | Pte::kAccessed;

  void TearDown() override {
    g.sink.on_flush = {};
    TlbGather gather(*tables);
    PtEditor(gather).clear(slot, va);
    tables->free_tables(Gva(0), Gva(0x7fff'ffff'f000), Gva(0), Gva(0x7fff'ffff'f000), gather);
    gather.flush();
  }
};

TEST_F(EditorTest, InstallNeedsNoFlushAndNeverOverwrites) {
  TlbGather gather(*tables);
  EXPECT_TRUE(PtEditor(gather).install(slot, va, Pte::make(a, kRw)));
  EXPECT_FALSE(PtEditor(gather).install(slot, va, Pte::make(b, kRw)));
  EXPECT_EQ(slot.load().frame(), a);
  EXPECT_FALSE(gather.pending());
}

TEST_F(EditorTest, ClearKeepsTheFrameUntilTheFlush) {
  TlbGather gather(*tables);
  PtEditor editor(gather);
  editor.install(slot, va, Pte::make(a, kRw));
  bool free_at_flush = true;
  g.sink.on_flush = [&](const TlbBatch& batch) {
    ASSERT_EQ(batch.frames.size(), 1u);
    EXPECT_EQ(batch.frames[0].first, a);
    EXPECT_EQ(batch.start, va);
    EXPECT_EQ(batch.end, va + kPageSize);
    free_at_flush = g.frames.at(a).refcount == 0;
  };
  EXPECT_EQ(editor.clear(slot, va).frame(), a);
  gather.retire_frame(a);
  EXPECT_TRUE(gather.pending());
  gather.flush();
  EXPECT_FALSE(free_at_flush);
  EXPECT_EQ(g.frames.at(a).refcount, 0);
}

TEST_F(EditorTest, ReplaceIsClearFlushInstall) {
  TlbGather gather(*tables);
  PtEditor editor(gather);
  editor.install(slot, va, Pte::make(a, kRw));
  Pte during(1);
  g.sink.on_flush = [&](const TlbBatch&) { during = slot.load(); };
  editor.replace_leaf(slot, va, Pte::make(b, kRw));
  EXPECT_TRUE(during.none());  // never two copies at once
  EXPECT_EQ(slot.load().frame(), b);
}

TEST_F(EditorTest, WideningKeepsWhatTheCpuSetMeanwhile) {
  TlbGather gather(*tables);
  PtEditor editor(gather);
  const Pte read_only = Pte::make(a, Pte::kPresent | Pte::kUser);
  editor.install(slot, va, read_only);
  // The CPU sets Accessed after we looked.
  const std::uint64_t touched = read_only.with(Pte::kAccessed).raw();
  std::memcpy(g.frames.memory().at(slot.address()), &touched, 8);
  EXPECT_TRUE(editor.widen(slot, va, read_only, read_only.with(Pte::kWrite)));
  EXPECT_TRUE(slot.load().has(Pte::kWrite | Pte::kAccessed));
  EXPECT_FALSE(gather.pending());
  // Another change is a lost race.
  EXPECT_FALSE(editor.widen(slot, va, read_only, read_only.with(Pte::kDirty)));
}

TEST_F(EditorTest, ProtectInvalidatesOnlyWhatItTakesAway) {
  TlbGather gather(*tables);
  PtEditor editor(gather);
  editor.install(slot, va, Pte::make(a, kRw | Pte::kDirty | Pte::kNoExecute));
  editor.protect(slot, va, kRw);  // executable now
  EXPECT_FALSE(gather.pending());
  editor.protect(slot, va, Pte::kPresent | Pte::kUser | Pte::kAccessed);
  EXPECT_TRUE(gather.pending());
  EXPECT_TRUE(slot.load().dirty());
  gather.flush();
  // PROT_NONE and back: the frame is inverted in between, and the same afterwards.
  editor.protect(slot, va, Pte::kAccessed | Pte::kProtNone);
  EXPECT_EQ(slot.load().kind(1), PteKind::kProtNone);
  EXPECT_EQ(slot.load().frame(), a);
  EXPECT_NE(slot.load().raw() & Pte::kAddressMask, Gpa(a).raw());
  gather.flush();
  editor.protect(slot, va, kRw);
  EXPECT_EQ(slot.load().frame(), a);
  EXPECT_TRUE(slot.load().has(Pte::kWrite | Pte::kDirty));
  EXPECT_FALSE(gather.pending());
}

TEST_F(EditorTest, AGatherThatOwesAbortsTheProgram) {
  EXPECT_DEATH(
      {
        TlbGather gather(*tables);
        PtEditor(gather).install(slot, va, Pte::make(a, kRw));
        PtEditor(gather).clear(slot, va);
      },
      "internal error");
}

}  // namespace
}  // namespace faultline::mmu

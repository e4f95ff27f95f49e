#include "mmu/kernel/kernel_half.hpp"

#include <gmock/gmock.h>

#include "tests/unit/kernel/kernel_fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::HasSubstr;

class KernelHalfTest : public KernelFaultTest {};
INSTANTIATE_TEST_SUITE_P(Modes, KernelHalfTest, testing::ValuesIn(kPagingModes), test::mode_name);

TEST_P(KernelHalfTest, SpaceBeginsBehindTheUsers) {
  const PagingMode mode = GetParam();
  EXPECT_FALSE(fault_in_kernel_space(Gva(0), mode));
  EXPECT_FALSE(fault_in_kernel_space(task_size_max(mode) - 1, mode));
  EXPECT_TRUE(fault_in_kernel_space(task_size_max(mode), mode));
  EXPECT_TRUE(fault_in_kernel_space(area(), mode));
}

// Linux copies entries of the PGD on 64 bits and of the PMD on 32: here those of any level.
TEST_P(KernelHalfTest, CopiesTheEntryOfTheSharedLevelAndNoMore) {
  const Gva at = area() + 5 * kPageSize;
  map(at, kKernelRw);
  for (Level level = 2; level <= top(); ++level) {
    SCOPED_TRACE(level);
    mm->kernel = nullptr;
    mm = AddressSpace::create(g.env);
    mm->observer = &observer;
    share(level);
    EXPECT_FALSE(own_walk(at).mapped());
    EXPECT_EQ(half->sync(mm->tables().root(), at + 8), VmallocSync::kCopied);
    const Walk mine = own_walk(at), theirs = reference->walk(at);
    ASSERT_TRUE(mine.mapped());
    for (unsigned i = 0; i < mine.count; ++i) {
      const bool shared = mine.steps[i].level <= level;
      EXPECT_EQ(mine.steps[i].entry == theirs.steps[i].entry, shared) << "level " << mine.steps[i].level;
      EXPECT_EQ(mine.steps[i].slot == theirs.steps[i].slot, mine.steps[i].level < level);
    }
    EXPECT_EQ(half->sync(mm->tables().root(), at), VmallocSync::kInStep);
    // Its neighbour below the shared entry came along; the next area of that level did not.
    map(at + level * kPageSize, kKernelRw);
    EXPECT_EQ(half->sync(mm->tables().root(), at + level * kPageSize), VmallocSync::kInStep);
  }
}

TEST_P(KernelHalfTest, HugeLeavesAreCopiedWhereTheyAre) {
  for (const Level leaf : {2U, 3U}) {
    for (Level level = 2; level <= top(); ++level) {
      mm->kernel = nullptr;
      mm = AddressSpace::create(g.env);
      mm->observer = &observer;
      share(level);
      const Gva at(area().raw() & ~(level_span(3) - 1));
      if (!reference->leaf(at).slot.valid() || reference->leaf(at).level != leaf) {
        mm->kernel = nullptr;
        mm.reset();
        half.reset();
        reference = KernelTables::create(g.frames, g.sink, GetParam(), Gfn(0));
        mm = AddressSpace::create(g.env);
        mm->observer = &observer;
        share(level);
        map(at, kKernelRw, leaf);
      }
      EXPECT_EQ(half->sync(mm->tables().root(), at + kPageSize), VmallocSync::kCopied);
      EXPECT_EQ(own_walk(at + kPageSize).physical(), reference->walk(at + kPageSize).physical());
      EXPECT_EQ(own_walk(at).last().level, leaf);
    }
  }
}

TEST_P(KernelHalfTest, WhatCannotBeSynchronised) {
  const Gva at = area();
  EXPECT_EQ(half->sync(mm->tables().root(), at - 1), VmallocSync::kElsewhere);
  EXPECT_EQ(half->sync(mm->tables().root(), at + (1ULL << 30)), VmallocSync::kElsewhere);
  EXPECT_EQ(half->sync(mm->tables().root(), at), VmallocSync::kNotMapped);
  map(at, kKernelRw);
  // Another entry than the reference has: nobody may choose.
  const PteSlot mine(g.frames.memory(), mm->tables().root(), table_index(at, top()));
  poke(mine, Pte::make(Gfn(20), Pte::kKernelTableFlags).raw());
  EXPECT_EQ(half->sync(mm->tables().root(), at), VmallocSync::kMismatch);
  share(2);
  poke(mine, Pte::make(Gfn(1ULL << 30), Pte::kKernelTableFlags).raw());
  EXPECT_EQ(half->sync(mm->tables().root(), at), VmallocSync::kTableOutside);
  poke(mine, 0x1000);  // not present, not empty
  EXPECT_EQ(half->sync(mm->tables().root(), at), VmallocSync::kMismatch);
  poke(mine, 0);
  g.frames.fail_nth(1);
  EXPECT_EQ(half->sync(mm->tables().root(), at), VmallocSync::kNoMemory);
  EXPECT_EQ(half->sync(mm->tables().root(), at), VmallocSync::kCopied);
  // A reference that leads out of memory, or is not to be walked.
  poke(reference_slot(at, 2), Pte::make(Gfn(1ULL << 30), Pte::kKernelTableFlags).raw());
  EXPECT_EQ(half->sync(mm->tables().root(), at), VmallocSync::kTableOutside);
  poke(reference_slot(at, 2), 1ULL << 51 | 0x63);
  EXPECT_FALSE(synced(half->sync(mm->tables().root(), at)));
  for (int i = 0; i <= static_cast<int>(VmallocSync::kNoMemory); ++i) EXPECT_NE(name(static_cast<VmallocSync>(i)), "?");
  EXPECT_EQ(name(static_cast<VmallocSync>(99)), "?");
}

// Linux spurious_kernel_fault: which error codes qualify, and which entries allow the access.
TEST_P(KernelHalfTest, SpuriousAtEveryLevelOfLeaf) {
  for (const Level leaf : {1U, 2U, 3U}) {
    SCOPED_TRACE(leaf);
    const Gva at = area() + leaf * level_span(4);
    if (leaf == 3) {
      map(Gva(at.raw() & ~(level_span(3) - 1)), kKernelRw, leaf);
    } else {
      map(Gva(at.raw() & ~(level_span(leaf) - 1)), kKernelRw, leaf);
    }
    const auto spurious = [&](std::uint32_t error) { return spurious_kernel_fault(*reference, at, ErrorCode(error)); };
    const std::uint64_t size = leaf > 1 ? std::uint64_t{Pte::kPageSizeBit} : 0;
    const PteSlot slot = reference_slot(at, leaf);
    struct Row {
      std::uint64_t flags;
      bool write, fetch;
    };
    constexpr std::uint64_t kP = Pte::kPresent, kW = Pte::kWrite, kNx = Pte::kNoExecute;
    for (const Row& row : {Row{kP | kW | kNx, true, false}, Row{kP, false, true}, Row{kP | kW, true, true},
                           Row{kP | kNx, false, false}, Row{0, false, false}}) {
      poke(slot, row.flags == 0 ? 0 : row.flags | size);
      EXPECT_EQ(spurious(3), row.write) << row.flags;
      EXPECT_EQ(spurious(0x11), row.fetch) << row.flags;
      // Reads, absent pages, user accesses, reserved bits, keys: never.
      for (const std::uint32_t error : {0U, 1U, 2U, 4U, 5U, 7U, 0xbU, 0x10U, 0x13U, 0x15U, 0x23U})
        EXPECT_FALSE(spurious(error)) << error;
    }
  }
}

TEST_P(KernelHalfTest, ThePmdMustAllowItAsWell) {
  map(area(), kKernelRw & ~Pte::kNoExecute);
  const PteSlot pmd = reference_slot(area(), 2);
  const Pte table = pmd.load();
  EXPECT_TRUE(spurious_kernel_fault(*reference, area(), ErrorCode(3)));
  poke(pmd, table.without(Pte::kWrite).raw());
  EXPECT_FALSE(spurious_kernel_fault(*reference, area(), ErrorCode(3)));
  EXPECT_TRUE(spurious_kernel_fault(*reference, area(), ErrorCode(0x11)));
  poke(pmd, table.with(Pte::kNoExecute).raw());
  EXPECT_FALSE(spurious_kernel_fault(*reference, area(), ErrorCode(0x11)));
}

TEST_P(KernelHalfTest, MapsUnmapsAndProtects) {
  const auto message = [](const Result<void>& r) { return r ? std::string("done") : r.error().message; };
  map(area(), kKernelRw);
  EXPECT_THAT(message(reference->map(area(), Gfn(1), kKernelRw)), HasSubstr("mapped there already"));
  EXPECT_THAT(message(reference->map(area(), Gfn(0), kKernelRw, 2)), HasSubstr("mapped there already"));
  EXPECT_THAT(message(reference->map(kBase, Gfn(1), kKernelRw)), HasSubstr("not an address of the kernel half"));
  EXPECT_THAT(message(reference->map(Gva(1ULL << 60), Gfn(1), kKernelRw)), HasSubstr("not an address of"));
  EXPECT_THAT(message(reference->map(area() + 1, Gfn(1), kKernelRw)), HasSubstr("not aligned"));
  EXPECT_THAT(message(reference->map(area() + level_span(2), Gfn(1), kKernelRw, 2)), HasSubstr("not aligned"));
  map(area() + level_span(2), kKernelRw, 2);
  EXPECT_THAT(message(reference->map(area() + level_span(2), Gfn(1), kKernelRw)), HasSubstr("mapped there already"));
  poke(reference_slot(area(), top()), Pte::make(Gfn(1ULL << 30), Pte::kKernelTableFlags).raw());
  EXPECT_THAT(message(reference->map(area(), Gfn(1), kKernelRw)), HasSubstr("outside guest memory"));
  EXPECT_FALSE(reference->unmap(area()));
  EXPECT_FALSE(reference->protect(area(), kKernelRo));
  g.frames.fail_nth(1);
  const Gva other = area() + level_span(top());
  EXPECT_THAT(message(reference->map(other, Gfn(1), kKernelRw)), HasSubstr("too small"));

  const std::size_t flushes = g.sink.batches.size();
  map(other, kKernelRo);
  EXPECT_TRUE(reference->protect(other, kKernelRw));
  EXPECT_EQ(g.sink.batches.size(), flushes) << "more rights need no flush";
  EXPECT_TRUE(reference->protect(other, kKernelRo));
  EXPECT_EQ(g.sink.batches.size(), flushes + 1);
  EXPECT_TRUE(reference->unmap(other));
  EXPECT_EQ(g.sink.batches.size(), flushes + 2);
  EXPECT_FALSE(reference->unmap(other));
  EXPECT_FALSE(reference->protect(other, kKernelRo));
  map(other + level_span(2), kKernelRo, 2);
  EXPECT_TRUE(reference->protect(other + level_span(2), kKernelRw));
  EXPECT_EQ(reference->walk(other + level_span(2)).last().level, 2U);
}

TEST(KernelTables, NoMemoryForTheRoot) {
  test::GuestMemory g(1ULL << 20);
  g.frames.fail_nth(1);
  EXPECT_EQ(KernelTables::create(g.frames, g.sink, PagingMode::kFourLevel, Gfn(0)), nullptr);
}

}  // namespace
}  // namespace faultline::mmu

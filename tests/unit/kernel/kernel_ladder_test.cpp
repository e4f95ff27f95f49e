// The whole ladder, row by row, and what goes with it: locks, signals, hooks.
#include <gmock/gmock.h>

#include "tests/unit/kernel/ladder_rows.hpp"
#include "tests/unit/support/scripted_hooks.hpp"

namespace faultline::mmu {
namespace {

using namespace ladder;  // NOLINT: the rows and what they are made of

class KernelLadderTest : public KernelFaultTest {
 protected:
  void SetUp() override {
    KernelFaultTest::SetUp();
    map(area(), kKernelRw);
    map(text(), mmu::kKernelText);
  }
  Gva text() const { return area() + (2ULL << 30); }  // in no area
  Gva address(Where where) {
    switch (where) {
      case kUserVma: return kBase + 8;
      case kUserHole: return kBase + 16 * kPageSize;
      case kVmalloc: return area() + 8;
      case kVmallocHole: return area() + kPageSize;
      case kCode: return text() + 8;
      case kDirectMap: return area() + (4ULL << 30);
      case kVsyscallPage: return Gva(0xffff'ffff'ff60'0000);
    }
    return {};
  }
  // Brings the tables into the state of the row; what is written into the reference goes to undo().
  void prepare(Gva at, Tables tables) {
    switch (tables) {
      case Tables::kUsual: return;
      case Tables::kInStep: EXPECT_EQ(half->sync(mm->tables().root(), at), VmallocSync::kCopied); return;
      case Tables::kOther:
        poke(PteSlot(g.frames.memory(), mm->tables().root(), table_index(at, top())),
             Pte::make(Gfn(20), Pte::kKernelTableFlags).raw());
        return;
      case Tables::kOutside: return change_reference(at, Pte::make(Gfn(1ULL << 30), Pte::kKernelTableFlags).raw());
      case Tables::kHuge: return change_reference(at, Pte::make(Gfn(0), kKernelRw | Pte::kPageSizeBit).raw());
      case Tables::kPmdDenies:
        return change_reference(at, reference_slot(at, 2).load().without(Pte::kWrite).with(Pte::kNoExecute).raw());
      case Tables::kZeroPage: EXPECT_TRUE(fault(at, 4).resolved()); return;
      case Tables::kOwnPage: EXPECT_TRUE(fault(at, 6).resolved()); return;
      case Tables::kNumaHint:
        EXPECT_TRUE(fault(at, 6).resolved());
        return poke(mm->tables().find(at), entry(at).with_protection(VmFlags().page_prot()).raw());
      case Tables::kMigrating:
        return poke(mm->tables().populate(at), SwapEntry(SwapEntry::kMigrationRead, 1).pte().raw());
      case Tables::kGuardMarker: return poke(mm->tables().populate(at), kGuardEntry.raw());
      case Tables::kSwapPlace: return poke(mm->tables().populate(at), SwapEntry(0, 7).pte().raw());
    }
  }
  void change_reference(Gva at, std::uint64_t value) {
    changed = reference_slot(at, 2);
    was = changed.load();
    poke(changed, value);
  }
  void undo(Gva at, Tables tables) {
    if (changed.valid()) poke(changed, was.raw());
    changed = {};
    if (tables >= Tables::kMigrating) poke(mm->tables().find(at), 0);
  }
  PteSlot changed;
  Pte was;
  ScriptedHooks scripted;
};
INSTANTIATE_TEST_SUITE_P(Modes, KernelLadderTest, testing::ValuesIn(kPagingModes), test::mode_name);

TEST_P(KernelLadderTest, EveryRow) {
  for (const Row& row : kRows) {
    mm->kernel = nullptr;
    mm = AddressSpace::create(g.env);
    mm->observer = &observer;
    mm->fault_hooks = &scripted;
    share(top());
    if (row.where == kUserVma) add(kBase, 1, row.vma);
    const Gva at = address(row.where);
    prepare(at, row.tables);
    scripted.seen.clear();
    const bool smap = true;
    const FaultOutcome o = handle_page_fault(*mm, {.address = at,
                                                   .error = ErrorCode(row.error),
                                                   .ip = Gva(row.cpl == kU ? 0x401000 : 0xffff'ffff'8100'0000),
                                                   .origin = row.cpl == kU ? FaultOrigin::kUser : FaultOrigin::kKernel,
                                                   .kernel = {.user_access = !smap || (row.flags & kAc) != 0,
                                                              .interrupts = (row.flags & kIf) != 0,
                                                              .faults_disabled = row.disabled,
                                                              .fixup = row.fixup}});
    const auto what = testing::Message() << row.source << ", error " << row.error << ", decided by "
                                         << name(o.path.decided_by());
    EXPECT_EQ(o.path.decided_by(), row.decided) << what;
    EXPECT_EQ(o.result, row.result) << what;
    EXPECT_EQ(o.kernel_end, row.end) << what;
    const bool above = row.where != kUserVma && row.where != kUserHole;
    EXPECT_EQ(o.reported_error.present(), above || (row.error & 1) != 0) << what;
    EXPECT_EQ(scripted.seen.empty(), o.attempts == 0);
    if (above) {
      EXPECT_EQ(o.attempts, 0) << "no VMA is looked for";
    }
    undo(at, row.tables);
    scripted.seen.clear();
    mm->fault_hooks = nullptr;
  }
}

TEST_P(KernelLadderTest, TheLockAndTheExceptionTable) {
  struct Lock final : FaultHooks {
    bool try_mmap_lock(AddressSpace&) override { return free; }
    bool mmap_lock_killable(AddressSpace&) override { return ++waited, granted; }
    bool free = false, granted = true;
    int waited = 0;
  } lock;
  add(kBase, 4, kRwFlags);
  mm->fault_hooks = &lock;
  // get_mmap_lock_carefully: without an entry, whoever holds the lock may be this very code.
  const FaultOutcome held = kernel_fault(kBase, 2, {.fixup = false});
  EXPECT_EQ(held.path.decided_by(), FaultStep::kLockHeld);
  EXPECT_EQ(held.result, kOops);
  EXPECT_EQ(lock.waited, 0);
  EXPECT_TRUE(kernel_fault(kBase, 2, {.fixup = true}).resolved());
  EXPECT_EQ(lock.waited, 1);
  // User code waits, and may be killed meanwhile.
  LinuxBehaviour old;
  old.vma_lock = false;
  g.env.behaviour = old;
  mm->fault_hooks = nullptr;
  mm->kernel = nullptr;
  mm = AddressSpace::create(g.env);
  mm->observer = &observer;
  mm->fault_hooks = &lock;
  add(kBase, 4, kRwFlags);
  EXPECT_TRUE(fault(kBase, 6).resolved());
  lock.granted = false;
  EXPECT_EQ(fault(kBase + kPageSize, 6).result, kInterrupted);
  lock.free = true;
  EXPECT_TRUE(fault(kBase + kPageSize, 6).resolved());
  EXPECT_TRUE(kernel_fault(kBase + 2 * kPageSize, 2, {.fixup = false}).resolved());
  mm->fault_hooks = nullptr;
}

// Linux before 6.9, kernelmode_fixup_or_oops: sig_on_uaccess_err.
TEST_P(KernelLadderTest, ASignalOnBehalfOfASystemCall) {
  const auto end = [&](KernelContext context, std::uint32_t error = 2, Gva at = kBase + 32 * kPageSize) {
    return kernel_fault(at, error, context);
  };
  const FaultOutcome o = end({.signal_too = true});
  EXPECT_EQ(o.kernel_end, KernelEnd::kFixupAndSignal);
  EXPECT_EQ(o.result, kSegvMapErr);
  EXPECT_EQ(end({}).kernel_end, KernelEnd::kFixup);
  EXPECT_EQ(end({.fixup = false, .signal_too = true}).result, kOops);
  EXPECT_EQ(end({.fixup = false, .signal_too = true}).kernel_end, KernelEnd::kNone);
  // SIGBUS the same way.
  add(kBase, 1, kRwFlags);
  scripted.rest = VmFault::kSigbus;
  mm->fault_hooks = &scripted;
  const FaultOutcome bus = end({.signal_too = true}, 2, kBase);
  EXPECT_EQ(bus.result, kBusAdrErr);
  EXPECT_EQ(bus.kernel_end, KernelEnd::kFixupAndSignal);
  mm->fault_hooks = nullptr;
}

TEST_P(KernelLadderTest, WithoutHooksNobodyIsAsked) {
  half->hooks = nullptr;
  EXPECT_TRUE(kernel_fault(area(), 0).resolved());
  EXPECT_EQ(kernel_fault(area() + kPageSize, 0).result, kOops);
  EXPECT_EQ(kernel_fault(kBase, 0, {}).result, kSegvMapErr);
}

TEST_P(KernelLadderTest, WithoutAKernelHalfThereIsNothingUpThere) {
  mm->kernel = nullptr;
  EXPECT_EQ(kernel_fault(area(), 0, {}).kernel_end, KernelEnd::kFixup);
  EXPECT_EQ(kernel_fault(area(), 0).result, kOops);
  EXPECT_EQ(fault(area(), 4).result, kSegvMapErr);
  const auto looked = fault_in_page(*mm, area(), false, FaultOrigin::kGup);
  EXPECT_FALSE(looked);
}

}  // namespace
}  // namespace faultline::mmu

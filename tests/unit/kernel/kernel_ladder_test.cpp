// The whole ladder as a table: what the CPU said and what was mapped, what Linux does, and where it
// says so (arch/x86/mm/fault.c unless another file is named).
#include <gmock/gmock.h>

#include "tests/unit/kernel/kernel_fixture.hpp"
#include "tests/unit/support/scripted_hooks.hpp"

namespace faultline::mmu {
namespace {

enum class Where : std::uint8_t { kUserVma, kUserHole, kVmalloc, kVmallocHole, kKernelText, kDirectMap, kVsyscallPage };
enum class Cpl : std::uint8_t { kUser, kKernel };

constexpr std::uint64_t kAc = 1U << 18, kIf = 1U << 9;

struct Row {
  const char* source;  // the function of Linux that decides
  Where where;
  std::uint32_t error;
  Cpl cpl;
  std::uint64_t flags;  // EFLAGS: AC and IF
  bool fixup;
  std::uint32_t vma;  // rights of the VMA, for kUserVma
  FaultStep decided;
  FaultResult result;
  KernelEnd end = KernelEnd::kNone;
  bool disabled = false;  // pagefault_disable
};

constexpr std::uint32_t kRw = kRwFlags, kRo = kRoFlags;
using enum FaultStep;
using enum Where;
constexpr auto kResolved = FaultResult::kResolved, kOops = FaultResult::kOops, kInterrupted = FaultResult::kInterrupted;
constexpr auto kSegvMapErr = FaultResult::kSegvMapErr, kSegvAccErr = FaultResult::kSegvAccErr;
constexpr auto kBusAdrErr = FaultResult::kBusAdrErr;
constexpr auto kU = Cpl::kUser, kK = Cpl::kKernel;
constexpr auto kJumps = KernelEnd::kFixup;

constexpr Row kRows[] = {
    // Kernel addresses, user code: no VMA, no lock, a signal that tells nothing.
    {"do_kern_addr_fault", kDirectMap, 0x5, kU, kIf, false, 0, kKernelAddress, kSegvMapErr},
    {"do_kern_addr_fault", kVmalloc, 0x4, kU, kIf, false, 0, kKernelAddress, kSegvMapErr},
    {"do_kern_addr_fault", kVmalloc, 0x7, kU, kIf, false, 0, kKernelAddress, kSegvMapErr},
    {"do_kern_addr_fault", kKernelText, 0x15, kU, kIf, false, 0, kKernelAddress, kSegvMapErr},
    {"emulate_vsyscall", kVsyscallPage, 0x5, kU, kIf, false, 0, kVsyscall, kSegvMapErr},
    // Kernel addresses, kernel code.
    {"vmalloc_fault", kVmalloc, 0x0, kK, kIf, false, 0, kVmallocFault, kResolved},
    {"vmalloc_fault", kVmalloc, 0x2, kK, 0, false, 0, kVmallocFault, kResolved},
    {"vmalloc_fault", kVmalloc, 0x10, kK, kIf, false, 0, kVmallocFault, kResolved},
    {"vmalloc_fault", kVmallocHole, 0x0, kK, kIf, false, 0, kKernelAddress, kOops},
    {"vmalloc_fault", kVmallocHole, 0x0, kK, kIf, true, 0, kKernelAddress, kSegvMapErr, kJumps},
    {"do_kern_addr_fault", kVmalloc, 0x9, kK, kIf, false, 0, kKernelAddress, kOops},
    {"spurious_kernel_fault", kVmalloc, 0x3, kK, kIf, false, 0, kSpuriousKernel, kResolved},
    {"spurious_kernel_fault", kKernelText, 0x11, kK, kIf, false, 0, kSpuriousKernel, kResolved},
    {"spurious_kernel_fault_check", kKernelText, 0x3, kK, kIf, false, 0, kKernelAddress, kOops},
    {"spurious_kernel_fault_check", kVmalloc, 0x11, kK, kIf, false, 0, kKernelAddress, kOops},
    {"spurious_kernel_fault", kVmalloc, 0x1, kK, kIf, false, 0, kKernelAddress, kOops},
    {"bad_area_nosemaphore", kDirectMap, 0x0, kK, kIf, true, 0, kKernelAddress, kSegvMapErr, kJumps},
    {"bad_area_nosemaphore", kDirectMap, 0x2, kK, kIf, false, 0, kKernelAddress, kOops},
    {"vsyscall page, kernel code", kVsyscallPage, 0x0, kK, kIf, false, 0, kKernelAddress, kOops},
    // User addresses, kernel code: the checks before any lookup, in their order.
    {"do_user_addr_fault: SMEP", kUserVma, 0x11, kK, kIf | kAc, true, kRw, kKernelFetch, kOops},
    {"pgtable_bad", kUserVma, 0x9, kK, kIf, true, kRw, FaultStep::kPgtableBad, FaultResult::kPgtableBad},
    {"do_user_addr_fault: SMAP", kUserVma, 0x0, kK, kIf, true, kRw, kSmapViolation, kOops},
    {"faulthandler_disabled", kUserVma, 0x0, kK, kIf | kAc, true, kRw, kFaultsDisabled, kSegvMapErr, kJumps, true},
    {"faulthandler_disabled", kUserVma, 0x0, kK, kIf | kAc, false, kRw, kFaultsDisabled, kOops, {}, true},
    {"interrupts off", kUserVma, 0x2, kK, kAc, true, kRw, kFaultsDisabled, kSegvMapErr, kJumps},
    {"bad_area", kUserHole, 0x0, kK, kIf | kAc, true, 0, kNoVma, kSegvMapErr, kJumps},
    {"kernelmode_fixup_or_oops", kUserHole, 0x0, kK, kIf | kAc, false, 0, kNoVma, kOops},
    {"bad_area_access_error", kUserVma, 0x2, kK, kIf | kAc, true, kRo, kAccessError, kSegvAccErr, kJumps},
    {"handle_mm_fault (mm/memory.c)", kUserVma, 0x2, kK, kIf | kAc, false, kRw, kAnonymousPage, kResolved},
    {"handle_mm_fault (mm/memory.c)", kUserVma, 0x0, kK, kIf | kAc, true, kRw, kAnonymousZero, kResolved},
    // User addresses, user code.
    {"pgtable_bad", kUserVma, 0xd, kU, kIf, false, kRw, FaultStep::kPgtableBad, FaultResult::kPgtableBad},
    {"bad_area_nosemaphore", kUserHole, 0x4, kU, kIf, false, 0, kNoVma, kSegvMapErr},
    {"bad_area_access_error", kUserVma, 0x6, kU, kIf, false, kRo, kAccessError, kSegvAccErr},
    {"bad_area_access_error", kUserVma, 0x15, kU, kIf, false, kRw, kAccessError, kSegvAccErr},
    {"handle_mm_fault (mm/memory.c)", kUserVma, 0x6, kU, kIf, false, kRw, kAnonymousPage, kResolved},
};

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
      case kKernelText: return text() + 8;
      case kDirectMap: return area() + (4ULL << 30);
      case kVsyscallPage: return Gva(0xffff'ffff'ff60'0000);
    }
    return {};
  }
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
    const bool smap = true;
    const FaultOutcome o = handle_page_fault(*mm, {.address = address(row.where),
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

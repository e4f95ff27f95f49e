// Rows 1.12 to 1.35 and 2.2 to 2.5, 2.11 of the fault path: the ladder.
#include "tests/unit/support/fault_fixture.hpp"
#include "tests/unit/support/scripted_hooks.hpp"

namespace faultline::mmu {
namespace {

constexpr std::uint32_t kRead = 4, kWrite = 6, kFetch = 0x14;

class LadderTest : public FaultTest {
 protected:
  void become(const LinuxBehaviour& behaviour) {
    g.env.behaviour = behaviour;
    remake();
  }
  void remake() {
    mm = AddressSpace::create(g.env);
    mm->observer = &observer;
    mm->fault_hooks = &hooks;
  }
  void SetUp() override {
    FaultTest::SetUp();
    mm->fault_hooks = &hooks;
  }
  FaultOutcome kernel_fault(Gva at, std::uint32_t error, KernelContext context = {}) {
    return handle_page_fault(
        *mm,
        {.address = at, .error = ErrorCode(error), .ip = Gva(0), .origin = FaultOrigin::kKernel, .kernel = context});
  }
  ScriptedHooks hooks;
};
INSTANTIATE_TEST_SUITE_P(Modes, LadderTest, testing::ValuesIn(kPagingModes), test::mode_name);

TEST_P(LadderTest, FoundUnderTheVmaLock) {
  add(kBase, 1, kRwFlags);
  const FaultOutcome o = fault(kBase, kWrite);
  EXPECT_EQ(o.path.steps()[0], FaultStep::kVmaLocked);
  EXPECT_EQ(o.attempts, 1);
  EXPECT_EQ(o.flags.raw(), FaultFlags::kDefault | FaultFlags::kUser | FaultFlags::kWrite | FaultFlags::kVmaLock);
}

TEST_P(LadderTest, ContentionFallsBackToTheMmapLockWithTheSameResult) {
  add(kBase, 2, kRwFlags);
  hooks.vma_lock = false;
  const FaultOutcome o = fault(kBase, kWrite);
  EXPECT_EQ(o.path.steps()[0], FaultStep::kVmaFound);
  EXPECT_FALSE(o.flags.has(FaultFlags::kVmaLock));
  EXPECT_TRUE(entry(kBase).writable());
  // Before 6.4 there is no other way.
  LinuxBehaviour old;
  old.vma_lock = false;
  become(old);
  hooks.vma_lock = true;
  add(kBase, 2, kRwFlags);
  EXPECT_EQ(fault(kBase, kWrite).path.steps()[0], FaultStep::kVmaFound);
}

TEST_P(LadderTest, FlagsFollowTheErrorCode) {
  add(kBase, 3, kRwFlags);
  EXPECT_TRUE(fault(kBase, kFetch).flags.has(FaultFlags::kInstruction));
  EXPECT_FALSE(fault(kBase + kPageSize, kRead).flags.any(FaultFlags::kWrite | FaultFlags::kInstruction));
  EXPECT_FALSE(kernel_fault(kBase + 2 * kPageSize, 2).flags.has(FaultFlags::kUser));
}

TEST_P(LadderTest, RetriesUntilDoneAndCountsOnce) {
  for (unsigned retries = 1; retries < 6; ++retries) {
    const Gva at = kBase + retries * kPageSize;
    add(at, 1, kRwFlags);
    hooks.script.assign(retries, VmFault::kRetry);
    hooks.seen.clear();
    const FaultCounters before = mm->counters;
    const FaultOutcome o = fault(at, kWrite);
    EXPECT_TRUE(o.resolved());
    EXPECT_EQ(o.attempts, retries + 1);
    EXPECT_TRUE(hooks.seen[0].has(FaultFlags::kVmaLock));
    // The first retry was for another lock, not for I/O: TRIED comes with the second.
    EXPECT_FALSE(hooks.seen[1].has(FaultFlags::kTried));
    EXPECT_EQ(hooks.seen.back().has(FaultFlags::kTried), retries > 1);
    EXPECT_TRUE(hooks.seen.back().has(FaultFlags::kAllowRetry));
    EXPECT_EQ(mm->counters.vm_faults - before.vm_faults, 1U);
    EXPECT_EQ(mm->counters.perf_faults - before.perf_faults, 1U);
    // TRIED on the attempt that completes makes a major fault.
    EXPECT_EQ(mm->counters.major - before.major, retries > 1 ? 1U : 0U);
    EXPECT_EQ(mm->counters.minor - before.minor, retries > 1 ? 0U : 1U);
  }
}

TEST_P(LadderTest, RetryAfterIoIsMajor) {
  add(kBase, 1, kRwFlags);
  hooks.script = {VmFault(VmFault::kRetry | VmFault::kMajor)};
  const FaultOutcome o = fault(kBase, kWrite);
  EXPECT_TRUE(o.major);
  EXPECT_TRUE(hooks.seen[1].has(FaultFlags::kTried));
  EXPECT_EQ(mm->counters.major, 1U);
  EXPECT_EQ(mm->counters.vm_major, 1U);
  EXPECT_EQ(mm->counters.minor, 0U);
}

TEST_P(LadderTest, WithoutVmaLocksEveryRetryCountsAsMajor) {
  become(LinuxBehaviour::of({6, 3}));
  add(kBase, 1, kRwFlags);
  hooks.script = {VmFault::kRetry};
  EXPECT_TRUE(fault(kBase, kWrite).major);
  EXPECT_EQ(mm->counters.major, 1U);
}

TEST_P(LadderTest, BeforeFiveNineTheArchitectureCounts) {
  become(LinuxBehaviour::of({5, 8}));
  add(kBase, 2, kRwFlags);
  hooks.script = {VmFault::kRetry};
  EXPECT_FALSE(fault(kBase, kWrite).major);
  EXPECT_EQ(mm->counters.minor, 1U);
  EXPECT_EQ(mm->counters.perf_minor, 1U);
  EXPECT_EQ(mm->counters.vm_faults, 2U);  // attempt by attempt
  hooks.script = {};
  hooks.seen.clear();
  hooks.script = {VmFault(VmFault::kRetry | VmFault::kMajor)};
  EXPECT_TRUE(fault(kBase + kPageSize, kWrite).major);
  EXPECT_EQ(mm->counters.major, 1U);
  // A failure is counted by nobody but vmstat.
  hooks.seen.clear();
  hooks.script = {VmFault::kSigbus};
  fault(kBase, kWrite);
  EXPECT_EQ(mm->counters.minor + mm->counters.major, 2U);
}

TEST_P(LadderTest, BeforeFiveSevenOneRetryIsAll) {
  become(LinuxBehaviour::of({5, 6}));
  add(kBase, 1, kRwFlags);
  hooks.rest = VmFault::kRetry;  // for ever
  const FaultOutcome o = fault(kBase, kWrite);
  EXPECT_TRUE(o.resolved());
  EXPECT_EQ(o.attempts, 2);
  EXPECT_TRUE(hooks.seen[0].has(FaultFlags::kAllowRetry));
  EXPECT_FALSE(hooks.seen[1].has(FaultFlags::kAllowRetry));
}

TEST_P(LadderTest, CompletedIsDoneWithoutAnEntry) {
  add(kBase, 1, kRwFlags);
  hooks.vma_lock = false;
  hooks.script = {VmFault::kCompleted};
  const FaultOutcome o = fault(kBase, kWrite);
  EXPECT_TRUE(o.resolved());
  EXPECT_EQ(o.path.decided_by(), FaultStep::kCompleted);
  EXPECT_FALSE(entry(kBase).present());
  EXPECT_EQ(mm->counters.minor, 1U);
}

TEST_P(LadderTest, AFatalSignalEndsTheRetries) {
  add(kBase, 1, kRwFlags);
  hooks.rest = VmFault::kRetry;
  hooks.fatal = true;
  for (const bool vma_lock : {true, false}) {
    hooks.vma_lock = vma_lock;
    const FaultOutcome o = fault(kBase, kWrite);
    EXPECT_EQ(o.result, FaultResult::kInterrupted);
    EXPECT_EQ(o.path.decided_by(), FaultStep::kSignalPending);
    EXPECT_EQ(o.attempts, 1);
  }
  EXPECT_EQ(kernel_fault(kBase, 2).result, FaultResult::kInterrupted);
  EXPECT_EQ(kernel_fault(kBase, 2, {.fixup = false}).result, FaultResult::kOops);
  const auto copied = fault_in_page(*mm, kBase, true, FaultOrigin::kGup);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().value(), EINTR);
  EXPECT_EQ(mm->counters.minor + mm->counters.major + mm->counters.vm_faults, 0U);
}

TEST_P(LadderTest, AnySignalEndsThemForUserCodeOnly) {
  add(kBase, 1, kRwFlags);
  hooks.any_signal = true;
  hooks.script = {VmFault::kRetry};
  EXPECT_EQ(fault(kBase, kWrite).result, FaultResult::kInterrupted);
  hooks.seen.clear();
  EXPECT_TRUE(kernel_fault(kBase, 2).resolved());
}

TEST_P(LadderTest, KilledWhileWaitingForTheMmapLock) {
  add(kBase, 1, kRwFlags);
  hooks.vma_lock = hooks.mmap_lock = false;
  const FaultOutcome o = fault(kBase, kWrite);
  EXPECT_EQ(o.result, FaultResult::kInterrupted);
  EXPECT_EQ(o.attempts, 0);
}

TEST_P(LadderTest, ResultBitsAndWhatBecomesOfThem) {
  struct Row {
    VmFault fault;
    FaultResult result;
    unsigned lsb = 0;
  };
  for (const bool memory_failure : {false, true}) {
    g.env.memory_failure = memory_failure;
    remake();
    add(kBase, 1, kRwFlags);
    const FaultResult poison = memory_failure ? FaultResult::kBusMceErrAr : FaultResult::kBusAdrErr;
    const Row rows[] = {{VmFault::kOom, FaultResult::kOutOfMemory},
                        {VmFault::kSigbus, FaultResult::kBusAdrErr},
                        {VmFault::kSigsegv, FaultResult::kSegvMapErr},
                        {VmFault::kHwpoison, poison, memory_failure ? 12U : 0U},
                        {VmFault::poisoned_large(21), poison, memory_failure ? 21U : 0U},
                        {VmFault::kNopage, FaultResult::kResolved}};
    for (const Row& row : rows) {
      hooks.rest = row.fault;
      const FaultCounters before = mm->counters;
      const FaultOutcome o = fault(kBase, kWrite);
      EXPECT_EQ(o.result, row.result) << row.fault.raw();
      EXPECT_EQ(o.address_lsb, row.lsb) << row.fault.raw();
      EXPECT_EQ(mm->counters.vm_faults - before.vm_faults, 1U);
      EXPECT_EQ(mm->counters.perf_faults - before.perf_faults, 1U);
      EXPECT_EQ(mm->counters.minor - before.minor, o.resolved() ? 1U : 0U);
      // The kernel has its exception table; without it, it dies.
      if (!o.resolved()) {
        EXPECT_EQ(kernel_fault(kBase, 2, {.fixup = false}).result, FaultResult::kOops);
        EXPECT_FALSE(fault_in_page(*mm, kBase, true, FaultOrigin::kKernel));
      }
    }
    hooks.rest = {};
    EXPECT_TRUE(fault(kBase, kWrite).resolved());
  }
}

TEST_P(LadderTest, PoisonIsToldToThoseWhoLookForPages) {
  g.env.memory_failure = true;
  remake();
  add(kBase, 1, kRwFlags);
  hooks.rest = VmFault::kHwpoison;
  const auto page = fault_in_page(*mm, kBase, true, FaultOrigin::kGup);
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().value(), EHWPOISON);
}

TEST_P(LadderTest, OrderOfTheChecksBeforeAnyLookup) {
  add(kBase, 1, kRwFlags);
  // The first that applies wins: execution by the kernel, a reserved bit, SMAP, disabled faults.
  const KernelContext all_wrong{.user_access = false, .faults_disabled = true};
  EXPECT_EQ(kernel_fault(kBase, 0x19, all_wrong).path.decided_by(), FaultStep::kKernelFetch);
  EXPECT_EQ(kernel_fault(kBase, 0x9, all_wrong).path.decided_by(), FaultStep::kPgtableBad);
  EXPECT_EQ(kernel_fault(kBase, 0, all_wrong).path.decided_by(), FaultStep::kSmapViolation);
  EXPECT_EQ(kernel_fault(kBase, 0, all_wrong).result, FaultResult::kOops);
  const FaultOutcome disabled = kernel_fault(kBase, 0, {.faults_disabled = true});
  EXPECT_EQ(disabled.path.decided_by(), FaultStep::kFaultsDisabled);
  EXPECT_EQ(disabled.result, FaultResult::kSegvMapErr);  // -EFAULT
  EXPECT_EQ(kernel_fault(kBase, 0, {.interrupts = false}).path.decided_by(), FaultStep::kFaultsDisabled);
  EXPECT_EQ(kernel_fault(kBase, 0, {.faults_disabled = true, .fixup = false}).result, FaultResult::kOops);
  // None of them was a fault that anybody counts, nor looked for a VMA.
  EXPECT_EQ(mm->counters.perf_faults, 0U);
  EXPECT_TRUE(hooks.seen.empty());
}

TEST_P(LadderTest, KeysDenyReadsAndWritesNotFetches) {
  g.env.protection_keys = true;
  remake();
  Vma& vma = add(kBase, 2, kRwFlags);
  vma.flags = vma.flags.with_pkey(3);
  const auto with_pkru = [&](std::uint32_t error, std::uint32_t pkru) {
    return handle_page_fault(*mm, {.address = kBase, .error = ErrorCode(error), .ip = Gva(0), .pkru = pkru});
  };
  constexpr std::uint32_t kNoAccess = 1U << 6, kNoWrite = 2U << 6;
  for (const std::uint32_t error : {kRead, kWrite}) {
    const FaultOutcome o = with_pkru(error, kNoAccess);
    EXPECT_EQ(o.result, FaultResult::kSegvPkuErr);
    EXPECT_EQ(o.pkey, 3);
    EXPECT_EQ(o.path.decided_by(), FaultStep::kAccessError);
  }
  EXPECT_EQ(with_pkru(kWrite, kNoWrite).result, FaultResult::kSegvPkuErr);
  EXPECT_TRUE(with_pkru(kFetch, kNoAccess | kNoWrite).resolved());
  EXPECT_TRUE(with_pkru(kRead, kNoWrite).resolved());
  EXPECT_TRUE(with_pkru(kWrite, ~(3U << 6)).resolved());  // other keys do not count
  EXPECT_EQ(entry(kBase).raw() >> 59 & 0xf, 3U);
  // What the CPU denied by key is denied, whatever PKRU says now.
  EXPECT_EQ(with_pkru(0x25, 0).result, FaultResult::kSegvPkuErr);
  // A VMA that forbids it anyway is still blamed on the key, as Linux does.
  vma.flags = vma.flags.without(VmFlags::kWrite);
  EXPECT_EQ(with_pkru(kWrite, kNoWrite).result, FaultResult::kSegvPkuErr);
  EXPECT_EQ(with_pkru(kWrite, 0).result, FaultResult::kSegvAccErr);
}

TEST_P(LadderTest, WithoutKeysTheirBitIsAnAccessError) {
  add(kBase, 1, kRwFlags);
  EXPECT_EQ(fault(kBase, 0x25).result, FaultResult::kSegvAccErr);
}

TEST_P(LadderTest, VsyscallPage) {
  constexpr Gva kPage(0xffff'ffff'ff60'0000);
  const auto at = [&](Gva va, std::uint32_t error, Gva ip) {
    return handle_page_fault(*mm, {.address = va, .error = ErrorCode(error), .ip = ip});
  };
  const FaultOutcome read = at(kPage, kRead, Gva(0x401000));
  EXPECT_EQ(read.result, FaultResult::kSegvMapErr);
  EXPECT_EQ(read.reported_error.raw(), 5U);
  EXPECT_EQ(read.path.decided_by(), FaultStep::kVsyscall);
  EXPECT_EQ(at(kPage + 0x400, kFetch, kPage + 0x400).result, FaultResult::kVsyscall);
  EXPECT_EQ(at(kPage + 0x400, kFetch, kPage).result, FaultResult::kSegvMapErr);
  EXPECT_EQ(mm->counters.perf_faults, 3U);  // unlike other kernel addresses
  EXPECT_EQ(at(kPage + kPageSize, kFetch, kPage + kPageSize).path.decided_by(), FaultStep::kKernelAddress);
}

TEST_P(LadderTest, StackPointerIsAskedBeforeFiveZero) {
  const auto below = [&](std::uint64_t bytes) {
    const Gva sp = kBase + 512 * kPageSize;
    return handle_page_fault(*mm, {.address = sp - bytes, .error = ErrorCode(kWrite), .ip = Gva(0), .sp = sp});
  };
  constexpr std::uint64_t kReach = 65536 + 256;
  const auto add_stack = [&] {
    add(kBase + 500 * kPageSize, 100, kRwFlags | VmFlags::kGrowsDown).pgoff = Pgoff(0x7'0000);
  };
  add_stack();
  EXPECT_TRUE(below(4 << 20 >> 1).resolved());
  become(LinuxBehaviour::of({4, 20}));
  add_stack();
  const FaultOutcome o = below(kReach + 1);
  EXPECT_EQ(o.result, FaultResult::kSegvMapErr);
  EXPECT_EQ(o.path.decided_by(), FaultStep::kStackPointer);
  EXPECT_TRUE(below(kReach).resolved());
  // The kernel's own accesses are not measured.
  EXPECT_TRUE(kernel_fault(kBase + 400 * kPageSize, 2).resolved());
}

}  // namespace
}  // namespace faultline::mmu

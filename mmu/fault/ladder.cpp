// The ladder. Follows do_user_addr_fault, lock_mm_and_find_vma and mm_fault_error
// (arch/x86/mm/fault.c, mm/mmap_lock.c) in their order of checks. The locks themselves are the
// caller's (docs/architecture.md, "Locks"); which of them Linux would hold is followed.
#include "mmu/fault/access.hpp"
#include "mmu/fault/account.hpp"
#include "mmu/fault/context.hpp"
#include "mmu/kernel/hooks.hpp"
#include "mmu/space/stack.hpp"

namespace faultline::mmu {

bool keys_permit(const AddressSpace& mm, const FaultRequest& request, VmFlags flags) {
  if (!mm.env().protection_keys) return true;
  // Keys say nothing about fetches, nor about another process's memory.
  if (request.error.fetch() || request.gup.remote) return true;
  return pkru_allows(request.pkru, flags.pkey(), request.error.write());
}

void bad_area_nosemaphore(FaultRun& run, FaultResult signal) {
  const KernelContext& kernel = run.request.kernel;
  run.outcome.result = run.user_mode() || kernel.fixup ? signal : FaultResult::kOops;
  if (run.request.origin != FaultOrigin::kKernel || !kernel.fixup) return;
  run.outcome.kernel_end = kernel.signal_too ? KernelEnd::kFixupAndSignal : KernelEnd::kFixup;
}

namespace {

void bad_area(FaultRun& run, FaultResult signal = FaultResult::kSegvMapErr) { bad_area_nosemaphore(run, signal); }

// Linux bad_area_access_error.
void bad_area_access_error(FaultRun& run, const Vma& vma) {
  run.outcome.path.add(FaultStep::kAccessError);
  const bool by_key = run.mm.env().protection_keys &&
                      (run.request.error.protection_key() || !keys_permit(run.mm, run.request, vma.flags));
  if (by_key) run.outcome.pkey = static_cast<std::uint8_t>(vma.flags.pkey());
  bad_area(run, by_key ? FaultResult::kSegvPkuErr : FaultResult::kSegvAccErr);
}

// Linux access_error, the VMA's key included.
bool denied(const FaultRun& run, const Vma& vma) {
  const ErrorCode error = run.request.error;
  if (error.protection_key()) return true;
  return !keys_permit(run.mm, run.request, vma.flags) || access_error(error, vma.flags);
}

// Linux fault_signal_pending: an attempt that is to be repeated gives way to a signal, user code
// to any, the kernel to a fatal one.
bool fault_signal_pending(FaultRun& run, VmFault fault) {
  FaultHooks* hooks = run.mm.fault_hooks;
  if (hooks == nullptr || !fault.any(VmFault::kRetry)) return false;
  if (!hooks->fatal_signal_pending() && !(run.user_mode() && hooks->signal_pending())) return false;
  run.outcome.path.add(FaultStep::kSignalPending);
  bad_area(run, FaultResult::kInterrupted);
  return true;
}

// Linux do_sigbus.
void do_sigbus(FaultRun& run, VmFault fault) {
  const bool poisoned = fault.any(VmFault::kHwpoison | VmFault::kHwpoisonLarge) && run.mm.env().memory_failure;
  if (poisoned) {
    const unsigned shift = fault.any(VmFault::kHwpoisonLarge) ? fault.hugepage_shift() : kPageShift;
    run.outcome.address_lsb = static_cast<std::uint8_t>(shift);
  }
  bad_area(run, poisoned ? FaultResult::kBusMceErrAr : FaultResult::kBusAdrErr);
}

// Linux mm_fault_error, which is the end of do_user_addr_fault today.
void mm_fault_error(FaultRun& run, VmFault fault) {
  if (!run.user_mode() && run.mm.fault_hooks != nullptr && run.mm.fault_hooks->fatal_signal_pending()) {
    return bad_area(run, FaultResult::kInterrupted);
  }
  if (fault.any(VmFault::kBadTable)) {
    run.outcome.result = FaultResult::kPgtableBad;
  } else if (fault.any(VmFault::kOom)) {
    // Nobody kills another process to make room: this one is the one that goes.
    bad_area(run, FaultResult::kOutOfMemory);
  } else if (fault.any(VmFault::kSigbus | VmFault::kHwpoison | VmFault::kHwpoisonLarge)) {
    do_sigbus(run, fault);
  } else {
    FL_CHECK(fault.any(VmFault::kSigsegv));
    bad_area(run);
  }
}

// The end of the ladder, once no attempt is to follow.
void finish(FaultRun& run, VmFault fault, bool any_major) {
  if (fault.error()) return mm_fault_error(run, fault);
  if (!run.mm.env().behaviour.arch_counts_faults) return;
  account_fault_by_arch(run.mm.counters, run.request.origin, any_major);
  run.outcome.major = any_major;
}

// Before 5.0: memory far below the stack pointer is no stack. 65536 bytes are for enter
// instructions, 32 words for what was pushed.
bool below_stack_pointer(const FaultRun& run) {
  if (!run.mm.env().behaviour.stack_pointer_check || !run.user_mode()) return false;
  const auto reach = run.request.address.checked_add(65536 + 32 * sizeof(std::uint64_t));
  return reach && *reach < run.request.sp;
}

// Linux get_mmap_lock_carefully: the kernel does not wait for the lock where it could not recover
// either. It may hold the lock itself. False: the outcome is complete.
bool lock_mmap(FaultRun& run) {
  FaultHooks* hooks = run.mm.fault_hooks;
  if (hooks == nullptr || hooks->try_mmap_lock(run.mm)) return true;
  if (!run.user_mode() && !run.request.kernel.fixup) {
    run.outcome.path.add(FaultStep::kLockHeld);
    bad_area(run);
    return false;
  }
  if (hooks->mmap_lock_killable(run.mm)) return true;
  run.end(FaultStep::kSignalPending, FaultResult::kInterrupted);  // killed while it waited
  return false;
}

// Linux lock_mm_and_find_vma: the VMA for the address, its stack grown if that is what it
// takes. Null: the outcome is complete.
Vma* find_vma_for_fault(FaultRun& run) {
  AddressSpace& mm = run.mm;
  if (!lock_mmap(run)) return nullptr;
  const Gva address = run.request.address;
  Vma* vma = mm.vmas.find(address);
  if (vma != nullptr && vma->start <= address) {
    run.found(*vma, FaultStep::kVmaFound);
    return vma;
  }
  FaultStep why = FaultStep::kNoVma;
  if (vma != nullptr && vma->flags.has(VmFlags::kGrowsDown)) {
    why = below_stack_pointer(run) ? FaultStep::kStackPointer : FaultStep::kStackRefused;
    if (why == FaultStep::kStackRefused && expand_stack(mm, *vma, address)) {
      Vma* grown = mm.vmas.lookup(address);
      run.found(*grown, FaultStep::kStackExpanded);
      return grown;
    }
  }
  run.outcome.path.add(why);
  bad_area(run);
  return nullptr;
}

// The checks that come before any lookup. True: the outcome is complete.
bool refused_at_once(FaultRun& run) {
  const FaultRequest& r = run.request;
  const bool kernel = !run.user_mode();
  if (kernel && r.error.fetch()) {
    run.end(FaultStep::kKernelFetch, FaultResult::kOops);
    return true;
  }
  if (kernel && run.handled_by(HookPoint::kKprobes, FaultStep::kKprobes)) return true;
  if (r.error.reserved()) {
    run.end(FaultStep::kPgtableBad, FaultResult::kPgtableBad);
    return true;
  }
  if (kernel && !r.kernel.user_access) {
    run.end(FaultStep::kSmapViolation, FaultResult::kOops);
    return true;
  }
  if (kernel && (r.kernel.faults_disabled || !r.kernel.interrupts)) {
    run.outcome.path.add(FaultStep::kFaultsDisabled);
    bad_area(run);
    return true;
  }
  return false;
}

FaultFlags initial_flags(const FaultRun& run) {
  FaultFlags flags(FaultFlags::kDefault);
  if (run.request.error.write()) flags = flags.with(FaultFlags::kWrite);
  if (run.request.error.fetch()) flags = flags.with(FaultFlags::kInstruction);
  return run.user_mode() ? flags.with(FaultFlags::kUser) : flags;
}

// What one attempt under the VMA's own lock came to.
enum class Quick : std::uint8_t { kDone, kTakeMmapLock };

// The part of do_user_addr_fault before lock_mmap. Leaves TRIED in `flags` when it counts.
Quick under_vma_lock(FaultRun& run, FaultFlags& flags, bool& any_major) {
  AddressSpace& mm = run.mm;
  Vma* vma = mm.vmas.lookup(run.request.address);
  if (vma == nullptr) return Quick::kTakeMmapLock;  // a stack that must grow, or a bad address
  if (mm.fault_hooks != nullptr && !mm.fault_hooks->try_vma_lock(mm, *vma)) return Quick::kTakeMmapLock;
  run.found(*vma, FaultStep::kVmaLocked);
  if (denied(run, *vma)) {
    bad_area_access_error(run, *vma);
    return Quick::kDone;
  }
  if (mm.observer != nullptr) mm.observer->decided();
  const VmFault fault = handle_mm_fault(run, *vma, flags.with(FaultFlags::kVmaLock));
  any_major = any_major || fault.any(VmFault::kMajor);
  if (!fault.any(VmFault::kRetry)) {
    finish(run, fault, any_major);
    return Quick::kDone;
  }
  run.outcome.path.add(FaultStep::kRetry);
  if (fault.any(VmFault::kMajor)) flags = flags.with(FaultFlags::kTried);
  return fault_signal_pending(run, fault) ? Quick::kDone : Quick::kTakeMmapLock;
}

void under_mmap_lock(FaultRun& run, FaultFlags flags, bool any_major) {
  AddressSpace& mm = run.mm;
  for (;;) {
    Vma* vma = find_vma_for_fault(run);
    if (vma == nullptr) return;
    if (denied(run, *vma)) return bad_area_access_error(run, *vma);
    if (mm.observer != nullptr) mm.observer->decided();
    const VmFault fault = handle_mm_fault(run, *vma, flags);
    any_major = any_major || fault.any(VmFault::kMajor);
    if (fault_signal_pending(run, fault)) return;
    if (!fault.any(VmFault::kRetry)) return finish(run, fault, any_major);
    run.outcome.path.add(FaultStep::kRetry);
    flags = flags.with(FaultFlags::kTried);
    if (mm.env().behaviour.retry_once) flags = flags.without(FaultFlags::kAllowRetry);
  }
}

}  // namespace

void do_user_addr_fault(FaultRun& run) {
  if (refused_at_once(run)) return;
  ++run.mm.counters.perf_faults;
  FaultFlags flags = initial_flags(run);
  if (run.request.address >= run.mm.task_size()) {  // the vsyscall page, execute-only
    run.outcome.path.add(FaultStep::kVsyscall);
    const bool called = run.request.error.fetch() && run.request.address == run.request.ip;
    run.outcome.result = called ? FaultResult::kVsyscall : FaultResult::kSegvMapErr;
    return;
  }
  bool any_major = false;
  if (run.user_mode() && run.mm.env().behaviour.vma_lock && under_vma_lock(run, flags, any_major) == Quick::kDone)
    return;
  under_mmap_lock(run, flags, any_major);
}

}  // namespace faultline::mmu

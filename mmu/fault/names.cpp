// Names of steps and results, as records and reports print them.
#include <algorithm>

#include "mmu/fault/fault.hpp"

namespace faultline::mmu {

std::string_view name(FaultStep step) {
  switch (step) {
    case FaultStep::kKmmio: return "kmmio_fault";
    case FaultStep::kVmallocFault: return "vmalloc_fault";
    case FaultStep::kKmemcheck: return "kmemcheck_fault";
    case FaultStep::kSpuriousKernel: return "spurious_kernel_fault";
    case FaultStep::kKprobes: return "kprobe_page_fault";
    case FaultStep::kLockHeld: return "get_mmap_lock_carefully";
    case FaultStep::kKernelAddress: return "do_kern_addr_fault";
    case FaultStep::kKernelFetch: return "page_fault_oops:fetch";
    case FaultStep::kPgtableBad: return "pgtable_bad";
    case FaultStep::kSmapViolation: return "page_fault_oops:smap";
    case FaultStep::kFaultsDisabled: return "faulthandler_disabled";
    case FaultStep::kVsyscall: return "emulate_vsyscall";
    case FaultStep::kVmaLocked: return "lock_vma_under_rcu";
    case FaultStep::kVmaFound: return "find_vma";
    case FaultStep::kNoVma: return "bad_area";
    case FaultStep::kStackPointer: return "below_stack_pointer";
    case FaultStep::kStackExpanded: return "expand_stack";
    case FaultStep::kStackRefused: return "expand_stack_refused";
    case FaultStep::kAccessError: return "bad_area_access_error";
    case FaultStep::kRetry: return "retry";
    case FaultStep::kCompleted: return "completed";
    case FaultStep::kSignalPending: return "fault_signal_pending";
    case FaultStep::kTablesFull: return "pte_alloc_failed";
    case FaultStep::kAnonymousZero: return "do_anonymous_page:zero_page";
    case FaultStep::kAnonymousPage: return "do_anonymous_page";
    case FaultStep::kReadFault: return "do_read_fault";
    case FaultStep::kFaultAround: return "do_fault_around";
    case FaultStep::kCowFault: return "do_cow_fault";
    case FaultStep::kSharedFault: return "do_shared_fault";
    case FaultStep::kPageMkwrite: return "page_mkwrite";
    case FaultStep::kTruncated: return "truncated";
    case FaultStep::kWriteProtect: return "do_wp_page";
    case FaultStep::kReuse: return "wp_page_reuse";
    case FaultStep::kCopy: return "wp_page_copy";
    case FaultStep::kShared: return "wp_page_shared";
    case FaultStep::kSpurious: return "spurious";
    case FaultStep::kRaced: return "raced";
    case FaultStep::kProtNone: return "do_numa_page";
    case FaultStep::kMigrationWait: return "migration_entry_wait";
    case FaultStep::kGuard: return "handle_pte_marker:guard";
    case FaultStep::kPoison: return "handle_pte_marker:poison";
    case FaultStep::kBadEntry: return "bad_entry";
    case FaultStep::kUnstable: return "check_stable_address_space";
    case FaultStep::kBeyondFile: return "beyond_end_of_file";
    case FaultStep::kOutOfMemory: return "out_of_memory";
  }
  return "?";
}

std::string_view name(FaultResult result) {
  switch (result) {
    case FaultResult::kResolved: return "resolved";
    case FaultResult::kSegvMapErr: return "SEGV_MAPERR";
    case FaultResult::kSegvAccErr: return "SEGV_ACCERR";
    case FaultResult::kSegvPkuErr: return "SEGV_PKUERR";
    case FaultResult::kBusAdrErr: return "BUS_ADRERR";
    case FaultResult::kBusMceErrAr: return "BUS_MCEERR_AR";
    case FaultResult::kOutOfMemory: return "out of memory";
    case FaultResult::kPgtableBad: return "corrupted page table";
    case FaultResult::kInterrupted: return "interrupted";
    case FaultResult::kVsyscall: return "vsyscall";
    case FaultResult::kOops: return "oops";
  }
  return "?";
}

bool FaultPath::contains(FaultStep s) const { return std::ranges::find(steps(), s) != steps().end(); }

}  // namespace faultline::mmu

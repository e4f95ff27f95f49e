// The fault path: a request goes in, an outcome comes out, page tables changed in between.
// Knows no vCPU, no sink, no resume. Follows Linux 6.18, arch/x86/mm/fault.c and mm/memory.c;
// what older versions did differently is in LinuxBehaviour (MmuEnv::behaviour).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "mmu/arch/error_code.hpp"
#include "mmu/fault/fault_flags.hpp"
#include "mmu/pgtable/edit_log.hpp"
#include "mmu/ports/tlb_sink.hpp"
#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// Who made the access.
enum class FaultOrigin : std::uint8_t {
  kUser,    // user code: counted by the task and by perf (pt_regs)
  kKernel,  // a system call's copy_to/from_user: counted by both, no signal, -EFAULT
  kGup,     // populate, mlock, MADV_POPULATE: counted by the task only
};

// The state of the CPU that a kernel-mode access is judged by. The usual one: copy_to_user.
struct KernelContext {
  bool user_access = true;       // EFLAGS.AC is set, or CR4.SMAP is not
  bool interrupts = true;        // EFLAGS.IF
  bool faults_disabled = false;  // pagefault_disable(), or no mm at all
  bool fixup = true;             // the instruction has an entry in the exception table
  bool signal_too = false;       // sig_on_uaccess_err (before 6.9): a fixup, and the signal as well
};

// What a look-up does about a page that must be waited for. It decides whether a fault is major.
enum class GupWait : std::uint8_t {
  kTried,  // drops the lock and tries again (FOLL_UNLOCKABLE, FOLL_TRIED)
  kAnew,   // drops the lock and gives up; its caller comes again for the first time (mlock, MAP_POPULATE)
  kHeld,   // waits with the lock held (mprotect of a locked area)
};

// How the kernel reaches into a process (FOLL_*).
struct GupMode {
  bool force = false;    // FOLL_FORCE: past the VMA's rights, within its VM_MAY*
  bool unshare = false;  // FAULT_FLAG_UNSHARE: a page of its own, without writing
  bool remote = false;   // FOLL_REMOTE: somebody else's process; keys do not count
  GupWait wait = GupWait::kTried;
};

struct FaultRequest {
  Gva address;      // CR2
  ErrorCode error;  // as the hardware pushed it
  Gva ip;           // of the faulting instruction
  FaultOrigin origin = FaultOrigin::kUser;
  Gva sp = {};                // user stack pointer: LinuxBehaviour::stack_pointer_check asks
  std::uint32_t pkru = 0;     // of the CPU, counts with MmuEnv::protection_keys
  KernelContext kernel = {};  // of kKernel
  GupMode gup = {};           // of kGup
};

// Named steps of the ladder; an outcome lists those taken, in order.
enum class FaultStep : std::uint8_t {
  kKmmio,           // kmmio_fault: a traced page, shown for one instruction
  kKernelAddress,   // fault_in_kernel_space
  kVmallocFault,    // vmalloc_fault: an entry copied from the reference tables
  kKmemcheck,       // kmemcheck_fault (before 4.15): a tracked page, shown for one instruction
  kSpuriousKernel,  // spurious_kernel_fault: the reference tables allow it
  kKprobes,         // kprobe_page_fault: a handler claimed it
  kKernelFetch,     // the kernel executes user memory: oops
  kPgtableBad,      // reserved bit: corrupted page table
  kSmapViolation,   // the kernel touches user memory without stac: oops
  kFaultsDisabled,  // the kernel may not take a fault now: bad_area_nosemaphore
  kVsyscall,        // the vsyscall page: emulated when called, refused when read
  kLockHeld,        // the mmap lock is taken and there is no fixup: bad_area_nosemaphore
  kVmaLocked,       // lock_vma_under_rcu: found, without the mmap lock
  kVmaFound,        // find_vma hit, under the mmap lock
  kNoVma,           // nothing there: bad_area
  kStackPointer,    // too far below the stack pointer: bad_area (before 5.0)
  kStackExpanded,   // expand_stack succeeded
  kStackRefused,    // expand_stack failed: bad_area
  kAccessError,     // VMA does not allow it: bad_area_access_error
  kRetry,           // VM_FAULT_RETRY: once more
  kCompleted,       // VM_FAULT_COMPLETED: all done while the lock was away
  kSignalPending,   // a signal ended the retries
  kTablesFull,      // no memory for a table
  kAnonymousZero,   // do_anonymous_page, read: the zero page
  kAnonymousPage,   // do_anonymous_page, write: a zeroed page
  kReadFault,       // do_read_fault
  kFaultAround,     // do_fault_around mapped neighbours (and perhaps the page)
  kCowFault,        // do_cow_fault
  kSharedFault,     // do_shared_fault
  kPageMkwrite,     // page_mkwrite, dirty accounting
  kTruncated,       // page_mkwrite found the page gone from the file: once more
  kWriteProtect,    // do_wp_page
  kReuse,           // wp_page_reuse: last owner writes in place
  kCopy,            // wp_page_copy
  kShared,          // wp_page_shared
  kSpurious,        // entry already allows the access
  kRaced,           // entry changed while we looked
  kProtNone,        // PROT_NONE entry in an accessible VMA: rights restored
  kMigrationWait,   // migration_entry_wait
  kGuard,           // handle_pte_marker: a guard region
  kPoison,          // handle_pte_marker: poison
  kBadEntry,        // an entry that nobody of us wrote: corrupted page table
  kUnstable,        // check_stable_address_space: the OOM reaper was here
  kBeyondFile,      // past the end of the file: SIGBUS
  kOutOfMemory,
};
std::string_view name(FaultStep step);

class FaultPath {
 public:
  void add(FaultStep s) {
    if (count_ < steps_.size()) steps_[count_++] = s;
  }
  [[nodiscard]] std::span<const FaultStep> steps() const { return {steps_.data(), count_}; }
  [[nodiscard]] bool contains(FaultStep s) const;
  // The last step, which names the handler that decided. Precondition: not empty.
  [[nodiscard]] FaultStep decided_by() const { return steps_[count_ - 1]; }
  bool operator==(const FaultPath&) const = default;

 private:
  std::array<FaultStep, 14> steps_{};
  std::uint8_t count_ = 0;
};

enum class FaultResult : std::uint8_t {
  kResolved,     // resume the access
  kSegvMapErr,   // SIGSEGV, SEGV_MAPERR
  kSegvAccErr,   // SIGSEGV, SEGV_ACCERR
  kSegvPkuErr,   // SIGSEGV, SEGV_PKUERR; si_pkey is `pkey`
  kBusAdrErr,    // SIGBUS, BUS_ADRERR
  kBusMceErrAr,  // SIGBUS, BUS_MCEERR_AR; si_addr_lsb is `address_lsb`
  kOutOfMemory,  // guest RAM exhausted: SIGKILL, as the OOM killer would
  kPgtableBad,   // corrupted page table: SIGKILL
  kInterrupted,  // a signal is pending: no new one; the access is made again, or is -EFAULT
  kVsyscall,     // a call into the vsyscall page: emulate it
  kOops,         // a kernel-mode access that Linux would die of
};
std::string_view name(FaultResult result);

// What becomes of the kernel's own code when its access is not resolved.
enum class KernelEnd : std::uint8_t {
  kNone,            // resolved, an oops, or user code's
  kFixup,           // it goes on at its fixup
  kFixupAndSignal,  // that, and the process gets the signal of `result`
};

struct FaultOutcome {
  FaultResult result = FaultResult::kResolved;
  KernelEnd kernel_end = KernelEnd::kNone;
  bool single_step = false;  // a hook wants to hear when the instruction is done
  bool major = false;
  std::uint8_t pkey = 0;         // of kSegvPkuErr
  std::uint8_t address_lsb = 0;  // of kBusMceErrAr: log2 of the poisoned bytes
  std::uint16_t attempts = 0;    // calls of handle_mm_fault
  FaultFlags flags;              // of the last one
  FaultPath path;
  // The error code a signal reports: P forced for kernel addresses (sanitize_error_code).
  ErrorCode reported_error;
  // The VMA that decided, copied bounds and flags (start == end: none).
  Gva vma_start, vma_end;
  VmFlags vma_flags;
  TlbAction tlb = TlbAction::kNone;
  [[nodiscard]] bool resolved() const { return result == FaultResult::kResolved; }
};

// Linux handle_page_fault: kernel addresses to the kernel ladder, the rest to
// do_user_addr_fault. The caller holds the address space's lock exclusively.
FaultOutcome handle_page_fault(AddressSpace& mm, const FaultRequest& request);

// Faults one page in on behalf of the kernel itself, for an access of the given kind: as a copy
// to or from user memory would (kKernel), or by looking it up (kGup: faultin_page). Errors:
// EFAULT (no VMA, no permission, SIGBUS), EHWPOISON, EINTR (a fatal signal), ENOMEM.
SysResult<void> fault_in_page(AddressSpace& mm, Gva address, bool write, FaultOrigin origin, GupMode gup = {});

// Linux __pkru_allows_pkey: does a CPU with this PKRU let data of `key` be read, or written?
[[nodiscard]] constexpr bool pkru_allows(std::uint32_t pkru, unsigned key, bool write) {
  const std::uint32_t bits = pkru >> (2 * key);  // AD below WD
  return (bits & 1U) == 0 && (!write || (bits & 2U) == 0);
}

}  // namespace faultline::mmu

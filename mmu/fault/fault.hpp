// The fault path: a request goes in, an outcome comes out, page tables changed in between.
// Knows no vCPU, no sink, no resume. Follows Linux 6.18, arch/x86/mm/fault.c and mm/memory.c.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "mmu/arch/error_code.hpp"
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

struct FaultRequest {
  Gva address;      // CR2
  ErrorCode error;  // as the hardware pushed it
  Gva ip;           // of the faulting instruction
  FaultOrigin origin = FaultOrigin::kUser;
};

// Named steps of the ladder; an outcome lists those taken, in order.
enum class FaultStep : std::uint8_t {
  kKernelAddress,  // fault_in_kernel_space
  kPgtableBad,     // reserved bit: corrupted page table
  kVmaFound,       // find_vma hit
  kNoVma,          // nothing there: bad_area
  kStackExpanded,  // expand_stack succeeded
  kStackRefused,   // expand_stack failed: bad_area
  kAccessError,    // VMA does not allow it: bad_area_access_error
  kTablesFull,     // no memory for a table
  kAnonymousZero,  // do_anonymous_page, read: the zero page
  kAnonymousPage,  // do_anonymous_page, write: a zeroed page
  kReadFault,      // do_read_fault
  kFaultAround,    // do_fault_around mapped neighbours (and perhaps the page)
  kCowFault,       // do_cow_fault
  kSharedFault,    // do_shared_fault
  kPageMkwrite,    // page_mkwrite, dirty accounting
  kWriteProtect,   // do_wp_page
  kReuse,          // wp_page_reuse: last owner writes in place
  kCopy,           // wp_page_copy
  kShared,         // wp_page_shared
  kSpurious,       // entry already allows the access
  kRaced,          // entry changed while we looked
  kProtNone,       // PROT_NONE entry in an accessible VMA: rights restored
  kBadEntry,       // an entry that nobody of us wrote: corrupted page table
  kBeyondFile,     // past the end of the file: SIGBUS
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
  std::array<FaultStep, 10> steps_{};
  std::uint8_t count_ = 0;
};

enum class FaultResult : std::uint8_t {
  kResolved,     // resume the access
  kSegvMapErr,   // SIGSEGV, SEGV_MAPERR
  kSegvAccErr,   // SIGSEGV, SEGV_ACCERR
  kBusAdrErr,    // SIGBUS, BUS_ADRERR
  kOutOfMemory,  // guest RAM exhausted: SIGKILL, as the OOM killer would
  kPgtableBad,   // corrupted page table: SIGKILL
};
std::string_view name(FaultResult result);

struct FaultOutcome {
  FaultResult result = FaultResult::kResolved;
  bool major = false;
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

// Faults one page in on behalf of the kernel itself (GUP: faultin_page), for an access of the
// given kind. Errors: EFAULT (no VMA, no permission, SIGBUS), ENOMEM.
SysResult<void> fault_in_page(AddressSpace& mm, Gva address, bool write, FaultOrigin origin);

}  // namespace faultline::mmu

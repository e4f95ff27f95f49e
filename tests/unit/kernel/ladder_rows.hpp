// The whole ladder as a table: what the CPU said and what was mapped, what Linux does, and where it
// says so (arch/x86/mm/fault.c unless another file is named).
#pragma once

#include "mmu/arch/swap_entry.hpp"
#include "tests/unit/kernel/kernel_fixture.hpp"

namespace faultline::mmu::ladder {

enum class Where : std::uint8_t { kUserVma, kUserHole, kVmalloc, kVmallocHole, kCode, kDirectMap, kVsyscallPage };
enum class Cpl : std::uint8_t { kUser, kKernel };

// What lies in the tables at the address, before the access.
enum class Tables : std::uint8_t {
  kUsual,      // user: nothing; kernel: what the reference has, and the process not yet
  kInStep,     // the process has it as well
  kOther,      // the process has another entry than the reference
  kOutside,    // the reference leads out of memory
  kHuge,       // the reference has a leaf of 2 MiB
  kPmdDenies,  // neither W nor fetches by the entry above the reference's leaf
  kZeroPage,   // user half, from here on
  kOwnPage,    // writable
  kNumaHint,   // a page of one's own, PROT_NONE
  kMigrating,
  kGuardMarker,
  kSwapPlace,
};

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
  Tables tables = Tables::kUsual;
};

constexpr std::uint32_t kRw = kRwFlags, kRo = kRoFlags;
using enum FaultStep;
using enum Where;
constexpr auto kResolved = FaultResult::kResolved, kOops = FaultResult::kOops, kInterrupted = FaultResult::kInterrupted;
constexpr auto kSegvMapErr = FaultResult::kSegvMapErr, kSegvAccErr = FaultResult::kSegvAccErr;
constexpr auto kBusAdrErr = FaultResult::kBusAdrErr;
constexpr auto kU = Cpl::kUser, kK = Cpl::kKernel;
constexpr auto kJumps = KernelEnd::kFixup;

inline constexpr Row kRows[] = {
    // Kernel addresses, user code: no VMA, no lock, a signal that tells nothing.
    {"do_kern_addr_fault", kDirectMap, 0x5, kU, kIf, false, 0, kKernelAddress, kSegvMapErr},
    {"do_kern_addr_fault", kVmalloc, 0x4, kU, kIf, false, 0, kKernelAddress, kSegvMapErr},
    {"do_kern_addr_fault", kVmalloc, 0x7, kU, kIf, false, 0, kKernelAddress, kSegvMapErr},
    {"do_kern_addr_fault", kCode, 0x15, kU, kIf, false, 0, kKernelAddress, kSegvMapErr},
    {"emulate_vsyscall", kVsyscallPage, 0x5, kU, kIf, false, 0, kVsyscall, kSegvMapErr},
    // Kernel addresses, kernel code.
    {"vmalloc_fault", kVmalloc, 0x0, kK, kIf, false, 0, kVmallocFault, kResolved},
    {"vmalloc_fault", kVmalloc, 0x2, kK, 0, false, 0, kVmallocFault, kResolved},
    {"vmalloc_fault", kVmalloc, 0x10, kK, kIf, false, 0, kVmallocFault, kResolved},
    {"vmalloc_fault", kVmallocHole, 0x0, kK, kIf, false, 0, kKernelAddress, kOops},
    {"vmalloc_fault", kVmallocHole, 0x0, kK, kIf, true, 0, kKernelAddress, kSegvMapErr, kJumps},
    {"do_kern_addr_fault", kVmalloc, 0x9, kK, kIf, false, 0, kKernelAddress, kOops},
    {"spurious_kernel_fault", kVmalloc, 0x3, kK, kIf, false, 0, kSpuriousKernel, kResolved},
    {"spurious_kernel_fault", kCode, 0x11, kK, kIf, false, 0, kSpuriousKernel, kResolved},
    {"spurious_kernel_fault_check", kCode, 0x3, kK, kIf, false, 0, kKernelAddress, kOops},
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
    // Kernel addresses, by what the tables have there.
    {"vmalloc_fault", kVmalloc, 0x0, kK, kIf, false, 0, kVmallocFault, kResolved, {}, false, Tables::kInStep},
    {"vmalloc_fault", kVmalloc, 0x0, kK, kIf, false, 0, kVmallocFault, kResolved, {}, false, Tables::kHuge},
    {"vmalloc_fault: BUG_ON", kVmalloc, 0x0, kK, kIf, false, 0, kKernelAddress, kOops, {}, false, Tables::kOther},
    {"vmalloc_fault: BUG_ON", kVmalloc, 0x0, kK, kIf, true, 0, kKernelAddress, kSegvMapErr, kJumps, false,
     Tables::kOther},
    {"vmalloc_fault", kVmalloc, 0x2, kK, kIf, false, 0, kKernelAddress, kOops, {}, false, Tables::kOutside},
    {"spurious_kernel_fault: pmd_leaf",
     kVmalloc,
     0x3,
     kK,
     kIf,
     false,
     0,
     kSpuriousKernel,
     kResolved,
     {},
     false,
     Tables::kHuge},
    {"spurious_kernel_fault: pmd_leaf",
     kVmalloc,
     0x11,
     kK,
     kIf,
     false,
     0,
     kKernelAddress,
     kOops,
     {},
     false,
     Tables::kHuge},
    {"spurious_kernel_fault: pmd",
     kVmalloc,
     0x3,
     kK,
     kIf,
     false,
     0,
     kKernelAddress,
     kOops,
     {},
     false,
     Tables::kPmdDenies},
    {"spurious_kernel_fault: pmd",
     kCode,
     0x11,
     kK,
     kIf,
     false,
     0,
     kKernelAddress,
     kOops,
     {},
     false,
     Tables::kPmdDenies},
    {"spurious_kernel_fault", kVmalloc, 0x3, kK, kIf, true, 0, kKernelAddress, kSegvMapErr, kJumps, false,
     Tables::kOutside},
    // User addresses, by what the tables have there: the same for both, but for what a failure comes to.
    {"wp_page_copy (mm/memory.c)", kUserVma, 0x7, kU, kIf, false, kRw, kCopy, kResolved, {}, false, Tables::kZeroPage},
    {"wp_page_copy (mm/memory.c)",
     kUserVma,
     0x3,
     kK,
     kIf | kAc,
     true,
     kRw,
     kCopy,
     kResolved,
     {},
     false,
     Tables::kZeroPage},
    {"access_error", kUserVma, 0x5, kU, kIf, false, kRw, kAccessError, kSegvAccErr, {}, false, Tables::kOwnPage},
    {"handle_pte_fault: spurious",
     kUserVma,
     0x7,
     kU,
     kIf,
     false,
     kRw,
     kSpurious,
     kResolved,
     {},
     false,
     Tables::kOwnPage},
    {"do_numa_page (mm/memory.c)",
     kUserVma,
     0x4,
     kU,
     kIf,
     false,
     kRw,
     kProtNone,
     kResolved,
     {},
     false,
     Tables::kNumaHint},
    {"do_numa_page (mm/memory.c)",
     kUserVma,
     0x0,
     kK,
     kIf | kAc,
     false,
     kRw,
     kProtNone,
     kResolved,
     {},
     false,
     Tables::kNumaHint},
    {"migration_entry_wait (mm/migrate.c)",
     kUserVma,
     0x4,
     kU,
     kIf,
     false,
     kRw,
     kMigrationWait,
     kResolved,
     {},
     false,
     Tables::kMigrating},
    {"handle_pte_marker (mm/memory.c)",
     kUserVma,
     0x4,
     kU,
     kIf,
     false,
     kRw,
     kGuard,
     kSegvMapErr,
     {},
     false,
     Tables::kGuardMarker},
    {"handle_pte_marker (mm/memory.c)", kUserVma, 0x2, kK, kIf | kAc, true, kRw, kGuard, kSegvMapErr, kJumps, false,
     Tables::kGuardMarker},
    {"handle_pte_marker (mm/memory.c)",
     kUserVma,
     0x2,
     kK,
     kIf | kAc,
     false,
     kRw,
     kGuard,
     kOops,
     {},
     false,
     Tables::kGuardMarker},
    {"do_swap_page (mm/memory.c), without swap",
     kUserVma,
     0x4,
     kU,
     kIf,
     false,
     kRw,
     kBadEntry,
     FaultResult::kPgtableBad,
     {},
     false,
     Tables::kSwapPlace},
    {"do_swap_page (mm/memory.c), without swap",
     kUserVma,
     0x0,
     kK,
     kIf | kAc,
     true,
     kRw,
     kBadEntry,
     FaultResult::kPgtableBad,
     {},
     false,
     Tables::kSwapPlace},
};

}  // namespace faultline::mmu::ladder

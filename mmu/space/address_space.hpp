// One guest address space (Linux struct mm_struct): VMAs, page tables, limits and counters.
//
// Lock order (docs/architecture.md, "Locks"): the caller holds the address space's lock,
// exclusive for operations and faults that edit VMAs; then the memory lock for frames and page
// cache. mmu takes no lock itself: vmm does, around each call.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mmu/backing/file_mapping.hpp"
#include "mmu/base/linux_behaviour.hpp"
#include "mmu/pgtable/page_tables.hpp"
#include "mmu/ports/fault_hooks.hpp"
#include "mmu/ports/fault_observer.hpp"
#include "mmu/ports/mmu_notifier.hpp"
#include "mmu/ports/user_half.hpp"
#include "mmu/space/vma_set.hpp"

namespace faultline::mmu {

// Memory that all address spaces of a guest may still ask for under vm.overcommit_memory 2
// (Linux vm_committed_as, vm_commit_limit), in pages.
struct CommitAccount {
  std::uint64_t limit = ~0ULL, committed = 0;
};

// What all address spaces of a guest share. Non-owning; vmm/run or a test owns the parts.
struct MmuEnv {
  FrameAllocator& frames;
  PageCache& cache;
  TlbSink& sink;
  Gfn zero_frame;      // kind kZero, never freed
  Gfn kernel_half{0};  // see PageTables::create
  PagingMode mode = PagingMode::kFourLevel;
  LinuxBehaviour behaviour = {};    // which Linux this is
  bool protection_keys = false;     // CR4.PKE of the guest's CPUs
  bool memory_failure = false;      // CONFIG_MEMORY_FAILURE: poison is BUS_MCEERR_AR, not BUS_ADRERR
  UserHalf* user_half = nullptr;    // non-owning; null: all of it is the guests'
  CommitAccount* commit = nullptr;  // non-owning; null: nobody counts (vm.overcommit_memory 0, 1)
  EditObserver* edits = nullptr;    // non-owning; null: nobody wants to know of page-table edits
};

// vm.overcommit_memory.
enum class Overcommit : std::uint8_t { kHeuristic, kAlways, kNever };

// Bytes, as setrlimit has them; RLIM_INFINITY is ~0.
struct Limits {
  std::uint64_t address_space = ~0ULL;  // RLIMIT_AS
  std::uint64_t data = ~0ULL;           // RLIMIT_DATA
  std::uint64_t stack = 8ULL << 20;     // RLIMIT_STACK
  std::uint64_t memlock = 8ULL << 20;   // RLIMIT_MEMLOCK
  std::uint64_t max_map_count = 65530;  // vm.max_map_count
  std::uint64_t mmap_min_addr = 65536;  // vm.mmap_min_addr
  std::uint64_t stack_guard_gap = 256 * kPageSize;
  // Pages of RAM and swap that one private writable mapping may ask for at most
  // (vm.overcommit_memory 0); ~0: no such check (1).
  std::uint64_t commit_pages = ~0ULL;
  Overcommit overcommit = Overcommit::kHeuristic;
  // Kept back under Overcommit::kNever: vm.admin_reserve_kbytes (0 for CAP_SYS_ADMIN) and
  // vm.user_reserve_kbytes.
  std::uint64_t admin_reserve_pages = 0, user_reserve_pages = 32768;
  bool may_lock_without_limit = false;  // CAP_IPC_LOCK
  bool may_map_low = false;             // CAP_SYS_RAWIO: MAP_FIXED below mmap_min_addr
};

// The three counters of docs/fault-counting.md: what getrusage, perf and vmstat would show.
struct FaultCounters {
  std::uint64_t minor = 0, major = 0;                             // task min_flt, maj_flt
  std::uint64_t perf_faults = 0, perf_minor = 0, perf_major = 0;  // PERF_COUNT_SW_PAGE_FAULTS*
  std::uint64_t vm_faults = 0, vm_major = 0;                      // vmstat pgfault, pgmajfault
};

// Where a program's parts are (the fields of struct mm_struct that /proc/PID shows); exec sets it.
struct ProgramLayout {
  Gva start_code, end_code, start_data, end_data;
  Gva start_stack;  // the stack pointer at entry
  Gva arg_start, arg_end, env_start, env_end;
  std::vector<std::uint64_t> auxv;  // pairs, AT_NULL included
};

// Resident pages by kind (Linux MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES).
enum class RssKind : std::uint8_t { kAnon, kFile, kShmem };
struct Rss {
  std::array<std::int64_t, 3> pages{};
  std::uint64_t high_water = 0;
  void add(RssKind kind, std::int64_t n) {
    pages[static_cast<std::size_t>(kind)] += n;
    if (total() > high_water) high_water = total();
  }
  [[nodiscard]] std::uint64_t total() const { return static_cast<std::uint64_t>(pages[0] + pages[1] + pages[2]); }
};

// What the last search for room found out, so that the next one need not look again: between
// `above` and `high` there is no gap of `length` bytes, while the VMA set counts `removals`.
struct PlacementHint {
  Gva above;
  std::uint64_t high = 0, length = 0, removals = 0;
};

class KernelHalf;

class AddressSpace {
 public:
  static constexpr unsigned kFaultAroundPages = 16;  // Linux fault_around_bytes, 64 KiB

  // An empty address space; nothing when there is no memory for its root table.
  static std::unique_ptr<AddressSpace> create(const MmuEnv& env);
  // Unmaps everything (Linux exit_mmap): every frame and table goes back.
  ~AddressSpace();
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;

  [[nodiscard]] const MmuEnv& env() const { return env_; }
  [[nodiscard]] PageTables& tables() const { return *tables_; }
  [[nodiscard]] FrameAllocator& frames() const { return env_.frames; }
  [[nodiscard]] PagingMode mode() const { return env_.mode; }
  [[nodiscard]] Gva task_size() const { return task_size_max(env_.mode); }

  VmaSet vmas{this};
  Limits limits;
  FaultCounters counters;
  Rss rss;
  // Pages, by VMA kind (Linux mm->total_vm, data_vm, stack_vm, locked_vm).
  std::uint64_t total_vm = 0, data_vm = 0, stack_vm = 0, locked_vm = 0;
  std::uint64_t peak_vm = 0;  // the most that total_vm ever was (hiwater_vm)
  ProgramLayout program;
  VmFlags default_flags;  // mlockall(MCL_FUTURE): kLocked, kLockOnFault
  Gva mmap_base;          // top of the mmap area, placement goes down from here
  Gva start_brk, brk;     // the heap
  mutable PlacementHint placement_hint;
  FaultObserver* observer = nullptr;  // non-owning; null: nobody wants to know of faults
  FaultHooks* fault_hooks = nullptr;  // non-owning; null: nothing comes in between
  KernelHalf* kernel = nullptr;       // non-owning; null: what is above user space is nobody's
  MmuNotifier* notifier = nullptr;    // non-owning; null: nobody mirrors these page tables
  // Linux MMF_UNSTABLE: the OOM reaper took pages away, new ones would read as zeroes.
  bool unstable = false;
  std::uint16_t allocated_pkeys = 0;  // pkey_alloc

  // Gives `vma` an anon_vma for its anonymous pages where it has none yet, a neighbour's where
  // Linux would share it (anon_vma_prepare, find_mergeable_anon_vma).
  void prepare_anon_vma(Vma& vma);

 private:
  AddressSpace(const MmuEnv& env, std::unique_ptr<PageTables> tables) : env_(env), tables_(std::move(tables)) {}
  MmuEnv env_;
  std::unique_ptr<PageTables> tables_;
};

}  // namespace faultline::mmu

// The kernel's half of one process's page tables, and how it catches up with the reference: entries
// are copied when a fault first needs them (Linux vmalloc_fault: until 5.7 on 64 bits, where entries
// of the root are copied; on 32 bits, where those of the PMD are).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "mmu/arch/error_code.hpp"
#include "mmu/kernel/kernel_tables.hpp"

namespace faultline::mmu {

class KernelHooks;

// Where the kernel maps things one by one, and processes may be behind: [start, end).
struct KernelArea {
  Gva start, end;
};

enum class VmallocSync : std::uint8_t {
  kCopied,        // the process lacked an entry that the reference has
  kInStep,        // it lacked nothing: somebody else was faster, or the TLB was stale
  kElsewhere,     // the address is in no area
  kNotMapped,     // nor does the reference map it
  kMismatch,      // the process has another entry than the reference: a bug in the tables
  kTableOutside,  // a table lies outside guest memory
  kNoMemory,
};
std::string_view name(VmallocSync sync);
[[nodiscard]] constexpr bool synced(VmallocSync s) { return s == VmallocSync::kCopied || s == VmallocSync::kInStep; }

class KernelHalf {
 public:
  // Entries of `share_level`, 2 to the mode's top, are copied from the reference; tables above it are
  // the process's own. Both references must outlive this, and this the tables of the process.
  KernelHalf(KernelTables& reference, Level share_level);
  ~KernelHalf();
  KernelHalf(const KernelHalf&) = delete;
  KernelHalf& operator=(const KernelHalf&) = delete;

  [[nodiscard]] KernelTables& reference() const { return reference_; }
  void add_area(KernelArea area) { areas_.push_back(area); }
  [[nodiscard]] bool in_area(Gva address) const;

  // Linux vmalloc_fault, for the process with the tables of `root`. Takes no lock.
  VmallocSync sync(Gfn root, Gva address);

  KernelHooks* hooks = nullptr;  // non-owning; null: nobody is asked

 private:
  KernelTables& reference_;
  Level share_level_;
  std::vector<KernelArea> areas_;
  std::vector<Gfn> owned_;  // tables of the process above share_level_
};

// Linux spurious_kernel_fault: do the tables allow the access that faulted with `error`, so that the
// TLB was stale? Only a write to a present page, or a fetch from one, can be spurious. Linux asks
// init_mm; so does this, entry by entry down to the leaf, huge ones included. The PMD above a PTE
// must allow it as well.
[[nodiscard]] bool spurious_kernel_fault(const KernelTables& reference, Gva address, ErrorCode error);

}  // namespace faultline::mmu

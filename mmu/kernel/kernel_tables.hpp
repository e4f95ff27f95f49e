// The reference tables of the kernel half (Linux init_mm): what is mapped there for everybody.
// Processes have entries copied from them (kernel_half.hpp). Entries are looked at as hostile: code
// at CPL0 may have written them.
#pragma once

#include <memory>
#include <vector>

#include "mmu/base/result.hpp"
#include "mmu/pgtable/editor.hpp"

namespace faultline::mmu {

class KernelTables {
 public:
  // Entries 256 to 511 of `kernel_half`, a table of the root's level, are there from the start; it
  // stays its owner's. Nothing when memory is short.
  static std::unique_ptr<KernelTables> create(FrameAllocator& frames, TlbSink& sink, PagingMode mode, Gfn kernel_half);
  // Gives back its tables, not the frames that it maps. No process may use them any more.
  ~KernelTables();
  KernelTables(const KernelTables&) = delete;
  KernelTables& operator=(const KernelTables&) = delete;

  [[nodiscard]] Gfn root() const { return tables_->root(); }
  [[nodiscard]] PagingMode mode() const { return tables_->mode(); }
  [[nodiscard]] FrameAllocator& frames() const { return tables_->frames(); }
  [[nodiscard]] const PhysMemory& memory() const { return tables_->memory(); }
  // For gathers of edits of leaves, which every process sees.
  [[nodiscard]] PageTables& tables() const { return *tables_; }

  // Maps the page at `va`, of the size of `level`, where nothing is mapped. `flags`: of a leaf, P
  // included. `frame` need not be memory: a device's. Errors, one line: not in the kernel half, not
  // aligned to the page's size, mapped already, a table outside memory, no memory.
  Result<void> map(Gva va, Gfn frame, std::uint64_t flags, Level level = 1);
  // Clears the leaf and makes it true. False when none is there.
  bool unmap(Gva va);
  // Replaces the flags of a leaf: at once when they only widen, else after a flush.
  bool protect(Gva va, std::uint64_t flags);

  // The leaf for `va`, present or not; an invalid slot without a table for it.
  [[nodiscard]] LeafSlot leaf(Gva va) const { return find_leaf(memory(), root(), mode(), va); }
  [[nodiscard]] Walk walk(Gva va) const { return tables_->walk(va); }

 private:
  explicit KernelTables(std::unique_ptr<PageTables> tables) : tables_(std::move(tables)) {}

  std::unique_ptr<PageTables> tables_;  // its root; the tables below are ours
  std::vector<Gfn> owned_;
};

enum class PopulateError : std::uint8_t {
  kMapped,   // something other than a table is in the way
  kOutside,  // a table lies outside guest memory
  kNoMemory,
};

// The slot of `va` in the tables of `root`, creating what is missing above `level`, of which `owned`
// becomes the owner.
tl::expected<PteSlot, PopulateError> populate_kernel_tables(FrameAllocator& frames, PagingMode mode, Gfn root, Gva va,
                                                            Level level, std::vector<Gfn>& owned);

// Linux fault_in_kernel_space: not user's. The vsyscall page is the caller's business.
[[nodiscard]] constexpr bool fault_in_kernel_space(Gva address, PagingMode mode) {
  return address >= task_size_max(mode);
}

}  // namespace faultline::mmu

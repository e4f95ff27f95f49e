// The page tables while a kernel program runs. Code at CPL0 can reach them: by a CR3 of its own, or
// through the tables of the monitor area, which are mapped. mmu trusts what is in them, so they are
// compared with what they were whenever the program stops: the CPU may have set accessed and dirty
// bits, and nothing else may have changed.
//
// What the program has corrupted on purpose (FL_CALL_CORRUPT) is there only while it runs.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "mmu/arch/paging_mode.hpp"
#include "mmu/phys/frame_allocator.hpp"

namespace faultline::vmm::kernel {

class TableGuard {
 public:
  // `frames` must outlive this.
  TableGuard(const mmu::FrameAllocator& frames, mmu::PagingMode mode) : frames_(frames), mode_(mode) {}

  // From the next hand_over() on the entry at `slot` has these bits as well. False when no page table
  // of the host's is there.
  bool corrupt(Gpa slot, std::uint64_t bits);

  // The program runs next, on tables that are reached from these roots.
  void hand_over(std::span<const Gfn> roots);
  // It stopped. Nothing, or an entry that it changed; then all tables are as they were before.
  // Either way nothing is corrupted any more.
  std::optional<Gpa> take_back();

  // The corrupted entries, for somebody who is to see what the CPU saw.
  void show_corruptions();
  void hide_corruptions();

 private:
  using Entries = std::array<std::uint64_t, mmu::kEntriesPerTable>;
  struct Corruption {
    std::uint64_t bits = 0, before = 0;
  };
  [[nodiscard]] bool is_table(Gfn frame) const;
  void find_tables(Gfn table, mmu::Level level, std::vector<Gfn>& seen);
  std::optional<Gpa> changed_entry(Gfn table, const Entries& before) const;

  const mmu::FrameAllocator& frames_;
  mmu::PagingMode mode_;
  // As handed over, corruptions included. A table stays as long as its frame is one: it may be
  // taken into use again as it is.
  std::map<Gfn, std::unique_ptr<Entries>> tables_;
  std::map<Gpa, Corruption> corruptions_;
};

}  // namespace faultline::vmm::kernel

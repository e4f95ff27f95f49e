// The page tables of one address space: its root, and the pages that its tables occupy.
// Creates tables on demand (Linux p4d_alloc, pud_alloc, pmd_alloc, pte_alloc) and accounts
// them (mm->pgtables_bytes). Entries are edited through PtEditor only.
//
// A table page that was unlinked goes back to the allocator, unless the sink says that it may
// not serve as another table yet (shadow paging). Then it is held for the very entry that it
// hung from: populating that entry again takes it back, and nothing else ever gets it before
// the sink dropped everything.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "mmu/pgtable/edit_log.hpp"
#include "mmu/pgtable/slot.hpp"
#include "mmu/pgtable/walk.hpp"
#include "mmu/phys/frame_allocator.hpp"
#include "mmu/ports/edit_observer.hpp"
#include "mmu/ports/tlb_sink.hpp"

namespace faultline::mmu {

class TlbGather;

// Flags of a table that an entry of `level` for `va` points to (Linux _PAGE_TABLE, _KERNPG_TABLE).
// A PDPTE of PAE paging has P and no rights: they are reserved there.
[[nodiscard]] std::uint64_t table_flags(Gva va, Level level, PagingMode mode);

class PageTables {
 public:
  // At most this many table pages wait for a full drop (1 MiB of guest memory).
  static constexpr std::size_t kMaxHeld = 256;

  // Allocates the root; nothing when memory is short. `kernel_half` fills the entries of the root
  // above user_entries(mode) with the supervisor mappings that every address space shares (a
  // root-level table frame to copy from; Gfn(0) for none).
  static std::unique_ptr<PageTables> create(FrameAllocator& frames, TlbSink& sink, PagingMode mode, Gfn kernel_half);
  ~PageTables();
  PageTables(const PageTables&) = delete;
  PageTables& operator=(const PageTables&) = delete;

  [[nodiscard]] Gfn root() const { return root_; }
  [[nodiscard]] PagingMode mode() const { return mode_; }
  [[nodiscard]] FrameAllocator& frames() const { return frames_; }
  [[nodiscard]] TlbSink& sink() const { return sink_; }
  // Non-owning; null: nobody wants to know of edits.
  [[nodiscard]] EditObserver* edit_observer() const { return edit_observer_; }
  void set_edit_observer(EditObserver* observer) { edit_observer_ = observer; }
  [[nodiscard]] const PhysMemory& memory() const { return frames_.memory(); }

  // The level-1 slot for `va`, creating the tables above it; an invalid slot when memory is
  // short. New tables are not-present to present: nothing needs to be invalidated.
  PteSlot populate(Gva va, EditLog* log = nullptr) { return populate_to(1, va, log); }
  // The same for the slot of `level`; that of the root's level needs no table.
  PteSlot populate_to(Level level, Gva va, EditLog* log = nullptr);
  // The level-1 slot for `va` where its table exists; invalid otherwise.
  [[nodiscard]] PteSlot find(Gva va) const;
  [[nodiscard]] Walk walk(Gva va) const { return mmu::walk(memory(), root_, mode_, va); }

  // Unlinks and retires every table below the root that lies wholly inside [floor, ceiling)
  // and is empty (Linux free_pgtables, with the same floor and ceiling rule). Leaves must have
  // been zapped. `start`, `end`: the range that was unmapped.
  void free_tables(Gva start, Gva end, Gva floor, Gva ceiling, TlbGather& gather);

  // Unlinks the level-1 table that spans `va` when all its entries are empty (Linux
  // try_to_free_pte, CONFIG_PT_RECLAIM). True when it went.
  bool free_empty_table(Gva va, TlbGather& gather);

  // Bytes in linked table pages, the root excluded when it is all there is (Linux VmPTE
  // counts each level's tables as 4 KiB, the root is not counted).
  [[nodiscard]] std::uint64_t table_bytes() const { return tables_ * kPageSize; }
  [[nodiscard]] std::uint64_t tables() const { return tables_; }

 private:
  friend class TlbGather;
  PageTables(FrameAllocator& frames, TlbSink& sink, PagingMode mode, Gfn root);
  [[nodiscard]] PteSlot slot_of(Gfn table, Gva va, Level level) const {
    return PteSlot::of(memory(), table, va, level, mode_);
  }
  // PAE: the processor reads PDPTEs when CR3 is loaded, and only then (Linux pud_populate).
  void reload_pdptes(Gva base);
  std::optional<Gfn> table_for(Gpa parent_slot);
  void release_table(Gfn table, Gpa parent_slot);  // after the flush
  void give_back(Gfn table);
  void free_held();          // after a full drop
  void drop_translations();  // for good: no CPU uses these tables again
  struct FreeRange {
    Gva start, end, floor, ceiling;
  };
  [[nodiscard]] std::uint64_t next_used(Gfn table, Level level, std::uint64_t at, std::uint64_t end) const;
  void free_subtree(PteSlot parent, Level level, Gva base, const FreeRange& range, TlbGather& gather);

  FrameAllocator& frames_;
  TlbSink& sink_;
  PagingMode mode_;
  Gfn root_;
  std::uint64_t tables_ = 0;
  std::unordered_map<Gpa, Gfn> held_;  // by the entry that they hung from
  bool dropped_ = false, retires_ = false;
  EditObserver* edit_observer_ = nullptr;
};

}  // namespace faultline::mmu

// The one editor of paging-structure entries. Each edit says what it means, and records with
// the gather what it makes stale; none of them flushes on its own but replace_leaf, which must.
#pragma once

#include "mmu/pgtable/gather.hpp"

namespace faultline::mmu {

class PtEditor {
 public:
  explicit PtEditor(TlbGather& gather) : gather_(gather) {}

  // Installs an entry where there is none. Nothing becomes stale: no CPU caches absence.
  // Returns false, and changes nothing, when the entry is not zero any more.
  bool install(PteSlot slot, Gva va, Pte entry, Level level = 1);
  // The same for a table, which needs no gather: false when another one was linked first.
  static bool link_table(const PageTables& tables, PteSlot slot, Gva va, Level level, Pte entry, EditLog* log);
  // For tables that no address space owns.
  static bool link_table(PteSlot slot, Gva va, Level level, Pte entry, EditLog* log);
  // Clears a leaf or any not-present entry and returns what it held, A and D included (Linux
  // ptep_get_and_clear).
  Pte clear(PteSlot slot, Gva va, Level level = 1);
  // Gives more rights, or sets A or D, for the same frame (Linux ptep_set_access_flags).
  // Stale translations only fault spuriously, so nothing is invalidated. False when the entry
  // changed in other bits than A and D since `expected` was read.
  bool widen(PteSlot slot, Gva va, Pte expected, Pte entry, Level level = 1);
  // Changes protection of the same frame, keeping A and D that the CPU sets meanwhile (Linux
  // ptep_modify_prot_start/commit). Invalidates unless it only widens.
  void protect(PteSlot slot, Gva va, std::uint64_t protection_bits, Level level = 1);
  // Clears flag bits (A, D, W) of a live leaf atomically and invalidates it.
  Pte clear_flags(PteSlot slot, Gva va, std::uint64_t mask, Level level = 1);
  // Takes W from a leaf, live or PROT_NONE (Linux ptep_set_wrprotect). `before`: the entry as loaded.
  void write_protect(PteSlot slot, Gva va, Pte before);
  // Puts another frame under a live leaf: clear, flush, install (Linux ptep_clear_flush and
  // set_pte_at). Never two writable copies.
  void replace_leaf(PteSlot slot, Gva va, Pte entry, Level level = 1);
  // Unlinks a table (Linux pmd_clear and tlb_remove_table).
  void unlink_table(PteSlot slot, Gva va, Level level);

 private:
  static void log(const PageTables* tables, EditLog* log, PteSlot slot, Gva va, Level level, Pte before, Pte after);
  void log(PteSlot slot, Gva va, Level level, Pte before, Pte after) {
    log(&gather_.tables(), gather_.log(), slot, va, level, before, after);
  }

  TlbGather& gather_;
};

}  // namespace faultline::mmu

// The walk itself, whatever the entries are read from: guest memory, or what a recording knows of
// it. SDM vol. 3A, "Hierarchical Paging Structures: an Overview".
#pragma once

#include "mmu/pgtable/walk.hpp"

namespace faultline::mmu {

// `load(slot)` gives the entry at that guest-physical address; nothing where there is no memory.
template <class Load>
Walk walk_with(const Load& load, Gfn root, PagingMode mode, Gva va, const PagingRules& rules) {
  Walk w;
  w.address = va;
  w.mode = mode;
  if (!is_canonical(va, mode)) {
    w.end = WalkEnd::kNonCanonical;
    return w;
  }
  Gfn table = root;
  std::uint64_t allowed = Pte::kWrite | Pte::kUser;  // ANDed down the levels
  std::uint64_t denied = 0;                          // NX, ORed
  for (Level level = levels(mode);; --level) {
    const unsigned index = table_index(va, level, mode);
    const Gpa slot = Gpa(table) + index * entry_bytes(mode);
    const bool pdpte = is_pdpte(level, mode);
    const std::optional<Pte> loaded = pdpte && rules.pdptes != nullptr ? Pte((*rules.pdptes)[index]) : load(slot);
    if (!loaded) {
      w.end = WalkEnd::kOutsideMemory;
      return w;
    }
    const Pte entry = *loaded;
    if (entry.present() && !pdpte) {
      allowed &= entry.raw();
      denied |= entry.raw() & Pte::kNoExecute;
    }
    WalkStep& step = w.steps[w.count++];
    step.level = level;
    step.slot = slot;
    step.entry = entry;
    step.rights.write = (allowed & Pte::kWrite) != 0;
    step.rights.user = (allowed & Pte::kUser) != 0;
    step.rights.execute = denied == 0;
    if (!entry.present()) {
      w.end = WalkEnd::kNotPresent;
      return w;
    }
    if ((entry.raw() & reserved_bits(entry, level, rules, mode)) != 0) {
      w.end = WalkEnd::kReservedBit;
      return w;
    }
    if (maps_page(entry, level, mode, rules)) {
      w.end = WalkEnd::kMapped;
      return w;
    }
    table = Gfn((entry.raw() & Pte::kAddressMask) >> kPageShift);
  }
}

}  // namespace faultline::mmu

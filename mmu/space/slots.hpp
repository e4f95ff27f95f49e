// Every level-1 slot of a range, without paying for what has no tables.
#pragma once

#include <algorithm>

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// Calls `visit(slot, va)` for every level-1 slot in [start, end) whose table exists. Missing
// tables of any level are skipped at once. `visit` may change and link entries elsewhere, but
// free no table.
template <class Visit>
void for_each_slot(const AddressSpace& mm, Gva start, Gva end, Visit visit) {
  const PagingMode mode = mm.mode();
  for (std::uint64_t at = start.raw(); at < end.raw();) {
    const Walk walk = mm.tables().walk(Gva(at));
    const Level level = walk.last().level;
    const std::uint64_t table_end = std::min((at | (level_span(std::max(level, 2U), mode) - 1)) + 1, end.raw());
    if (level == 1) {
      const Gfn table = walk.last().slot.page();
      for (; at < table_end; at += kPageSize)
        visit(PteSlot::of(mm.frames().memory(), table, Gva(at), 1, mode), Gva(at));
    }
    at = table_end;
  }
}

}  // namespace faultline::mmu

// Where a table's entries are, most of which are empty.
#pragma once

#include "mmu/pgtable/slot.hpp"

namespace faultline::mmu {

// The first entry of `table` from `from` on that is not zero; `end`: there is none before it. Precondition: the
// frame is inside memory, and the table has that many.
[[nodiscard]] unsigned next_used_entry(const PhysMemory& memory, Gfn table, unsigned from, unsigned end,
                                       PagingMode mode);

}  // namespace faultline::mmu

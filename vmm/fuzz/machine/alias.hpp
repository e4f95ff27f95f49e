// String copies that nobody can judge: through two names of one frame.
#pragma once

#include "mmu/pgtable/page_tables.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

// Whether the bytes that `copy` (a kCopy) loads and those that it stores are in part the same ones of a frame, at two
// linear addresses, as `tables` have it now. REP MOVSB loads ahead of its stores where it is quick, and goes by linear
// addresses to see whether it may (SDM vol. 1, "Fast-String Operation"); a fault in between changes how far ahead it
// is.
[[nodiscard]] bool copies_through_alias(const mmu::PageTables& tables, const Operation& copy);

}  // namespace faultline::vmm::fuzz

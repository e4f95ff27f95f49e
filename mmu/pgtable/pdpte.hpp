// The registers that PAE paging keeps its four top-level entries in. SDM vol. 3A, "PAE Paging",
// "PDPTE Registers": MOV to CR3 loads them, and raises #GP where a present one has a reserved bit.
#pragma once

#include <optional>

#include "mmu/pgtable/walk.hpp"

namespace faultline::mmu {

// What MOV to CR3 loads from the table in `root`; nothing when it raises #GP.
// Precondition: the frame is inside memory.
std::optional<PdpteRegisters> load_pdptes(const PhysMemory& memory, Gfn root, const PagingRules& rules = {});

}  // namespace faultline::mmu

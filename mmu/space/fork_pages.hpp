// The pages of one VMA, for a child (Linux copy_page_range).
#pragma once

#include "mmu/pgtable/gather.hpp"
#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// Linux vma_needs_copy: are there entries that no fault could bring back?
[[nodiscard]] inline bool vma_needs_copy(const Vma& parent) {
  return parent.anon_vma != nullptr || parent.flags.has(VmFlags::kMaybeGuard);
}

// Copies the entries of `vma` from `parent` to `child`, tables and all: every page has one
// mapping and one reference more. Pages of a private mapping lose W on both sides and are
// exclusive no longer; `gather` (the parent's) has what that made stale. ENOMEM when a table
// cannot be had: then the copy is partial, and the child good for nothing but its end.
SysResult<void> copy_page_range(AddressSpace& child, AddressSpace& parent, const Vma& vma, TlbGather& gather);

}  // namespace faultline::mmu

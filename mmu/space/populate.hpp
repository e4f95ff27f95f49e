// Faulting ranges in ahead of use (Linux mm_populate, populate_vma_page_range,
// faultin_page_range; mm/gup.c).
#pragma once

#include "mmu/fault/fault.hpp"
#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// Faults in the pages of `vma` in [start, end) as mlock and MAP_POPULATE do: written to where
// the mapping is private and writable, read otherwise. Areas that lock on fault are left alone.
// kHeld: for a caller that keeps the lock.
// Errors: EFAULT (PROT_NONE, beyond the end of the file), ENOMEM.
SysResult<void> populate_vma(AddressSpace& mm, const Vma& vma, Gva start, Gva end, GupWait wait = GupWait::kAnew);

enum class PopulateErrors : std::uint8_t {
  kStop,    // mlock: the first one ends it
  kIgnore,  // mmap, mlockall: best effort, on to the next VMA
};
// The same for all VMAs in the range; holes are skipped.
SysResult<void> mm_populate(AddressSpace& mm, Gva start, Gva end, PopulateErrors errors);

// madvise(MADV_POPULATE_READ, MADV_POPULATE_WRITE). ENOMEM at a hole, EINVAL where the VMA does
// not allow the access, EFAULT beyond the end of a file.
SysResult<void> populate_for_access(AddressSpace& mm, Gva start, Gva end, bool write);

}  // namespace faultline::mmu

// What advice does to the pages of one VMA: the parts of madvise, a file each. Ranges are page
// aligned and lie in the VMA.
#pragma once

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// Linux madvise_guard_install: the pages go, and every access is SIGSEGV from now on. EINVAL for
// locked areas; ENOMEM where tables for the markers cannot be had.
SysResult<void> guard_install(AddressSpace& mm, Vma& vma, Gva start, Gva end);
SysResult<void> guard_remove(AddressSpace& mm, const Vma& vma, Gva start, Gva end);

// Linux madvise_free_pte_range: the pages may go when memory is short, until they are written.
void mark_lazy_free(AddressSpace& mm, Gva start, Gva end);

// Linux madvise_cold_or_pageout_pte_range: pages that nobody else maps count as unused.
void make_cold(AddressSpace& mm, Gva start, Gva end);
// The same, and reclaims them at once as far as that goes without swap: file pages are unmapped
// and, when clean, leave the cache; shared memory is unmapped and stays; anonymous pages stay but
// for those that may vanish.
void page_out(AddressSpace& mm, const Vma& vma, Gva start, Gva end);

// Linux madvise_collapse, as far as it goes without huge pages: says whether it would succeed.
SysResult<void> collapse(AddressSpace& mm, const Vma& vma, Gva start, Gva end);

}  // namespace faultline::mmu

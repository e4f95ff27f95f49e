// Unmapping in two steps, for those who must check something in between (Linux
// vms_gather_munmap_vmas and vms_complete_munmap_vmas).
#pragma once

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// Cuts the VMAs at both ends of [start, end), so that it holds whole ones, and returns how many
// pages are mapped in it. ENOMEM at max_map_count, before anything was cut; EPERM at a sealed one.
SysResult<std::uint64_t> cut_out(AddressSpace& mm, Gva start, Gva end);
// Removes the VMAs in [start, end) with their pages and tables. Precondition: cut_out().
void unmap_whole_vmas(AddressSpace& mm, Gva start, Gva end);

}  // namespace faultline::mmu

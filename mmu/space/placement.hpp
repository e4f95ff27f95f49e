// Where a mapping goes (Linux get_unmapped_area and what it calls on x86-64: mm/mmap.c,
// arch/x86/kernel/sys_x86_64.c, mm/huge_memory.c thp_get_unmapped_area, mm/shmem.c).
#pragma once

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

enum class Alignment : std::uint8_t {
  kAsLinux,  // to 2 MiB where that can win huge pages
  kPage,
};

struct PlacementRequest {
  std::uint64_t hint = 0;    // page aligned; with `fixed` the address itself, unchecked
  std::uint64_t length = 0;  // a multiple of the page size
  Pgoff pgoff = {};
  const FileMapping* file = nullptr;
  Alignment alignment = Alignment::kAsLinux;
  int flags = 0;  // MAP_FIXED, MAP_32BIT, MAP_ABOVE4G and MAP_GROWSDOWN count
};

// The address for such a mapping. With MAP_FIXED the hint, checked; it may overlap others.
// The machine has left the range (MmuEnv::user_half).
// Errors: ENOMEM no room, or beyond TASK_SIZE; EINVAL unaligned; EPERM below mmap_min_addr.
SysResult<Gva> get_unmapped_area(const AddressSpace& mm, const PlacementRequest& request);

// What Linux makes of a hint before it looks at it: page aligned, at least mmap_min_addr.
std::uint64_t round_hint_to_min(const AddressSpace& mm, std::uint64_t hint);

// The lowest address that nothing may grow into: `vma.start`, less the guard gap of a stack
// (Linux vm_start_gap).
Gva start_with_gap(const AddressSpace& mm, const Vma& vma);

}  // namespace faultline::mmu

// The PROCMAP_QUERY ioctl of /proc/PID/maps (Linux do_procmap_query).
#pragma once

#include "mmu/space/address_space.hpp"
#include "vmm/linux_abi/syscall.hpp"

namespace faultline::vmm::linux_abi::proc {

inline constexpr std::uint32_t kProcmapQuery = 0xc0686611;  // _IOWR('f', 17, struct procmap_query)

// `argument` is the caller's struct procmap_query, about `mm`. Build IDs are not looked for:
// build_id_size comes back 0, as for a file that has none.
SyscallValue procmap_query(Task& caller, const mmu::AddressSpace& mm, Gva argument);

}  // namespace faultline::vmm::linux_abi::proc

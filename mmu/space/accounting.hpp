// Counting pages by VMA kind, and the limits that growth is checked against (Linux
// vm_stat_account, may_expand_vm, mlock_future_ok, __vm_enough_memory).
#pragma once

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// Adds `pages` (negative: removes) of a mapping with `flags` to mm's total_vm, and to data_vm
// or stack_vm where they belong. locked_vm is the caller's business.
void vm_stat_account(AddressSpace& mm, VmFlags flags, std::int64_t pages);

// May the address space grow by `pages` of a mapping with `flags`? RLIMIT_AS, RLIMIT_DATA.
[[nodiscard]] bool may_expand_vm(const AddressSpace& mm, VmFlags flags, std::uint64_t pages);

// May this process lock memory at all (RLIMIT_MEMLOCK is not 0, or CAP_IPC_LOCK)?
[[nodiscard]] bool can_do_mlock(const AddressSpace& mm);
// May `bytes` more of a mapping with `flags` come into being? True unless the flags lock it.
[[nodiscard]] bool mlock_future_ok(const AddressSpace& mm, VmFlags flags, std::uint64_t bytes);

// Does such a mapping count against commit (private, writable, not MAP_NORESERVE)?
[[nodiscard]] bool accountable_mapping(VmFlags flags);
// Linux __vm_enough_memory, by vm.overcommit_memory: one request may not ask for more than there
// is at all (0), may have anything (1), or adds to what everybody was promised (2).
[[nodiscard]] bool enough_memory(const AddressSpace& mm, std::uint64_t pages);
// Counts the pages of shared anonymous memory against commit until the last reference to what is
// returned goes (Linux shmem_acct_size, shmem_unacct_size). The account must outlive it.
[[nodiscard]] std::shared_ptr<FileMapping> charge_until_released(const AddressSpace& mm,
                                                                 std::shared_ptr<FileMapping> file);

// Is there host memory for one more VMA, with links to all generations before it? Linux's kmalloc
// fails at about the same time, with the same ENOMEM.
[[nodiscard]] inline bool metadata_exhausted(const AddressSpace& mm) { return !mm.frames().may_charge_metadata(0); }

// One more VMA than max_map_count may come from mmap and brk, none from a split: Linux tests
// `>` there and `>=` here.
[[nodiscard]] inline bool too_many_maps(const AddressSpace& mm) {
  return mm.vmas.size() > mm.limits.max_map_count || metadata_exhausted(mm);
}
[[nodiscard]] inline bool no_map_to_split(const AddressSpace& mm) {
  return mm.vmas.size() >= mm.limits.max_map_count || metadata_exhausted(mm);
}

}  // namespace faultline::mmu

// Stack growth (Linux expand_stack, expand_downwards, acct_stack_growth).
#pragma once

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// Grows the VM_GROWSDOWN area `vma` down to the page of `address`. Errors: EPERM below
// mmap_min_addr; ENOMEM for the guard gap (an accessible neighbour below, not itself growing
// down, closer than stack_guard_gap), RLIMIT_STACK, RLIMIT_AS, or the lock limit.
SysResult<void> expand_stack(AddressSpace& mm, Vma& vma, Gva address);

}  // namespace faultline::mmu

// Protection keys of an address space (Linux mm_pkey_is_allocated; arch/x86/mm/pkeys.c).
#pragma once

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// May a VMA have the key? Without protection keys in the CPU none can be named, not even 0.
[[nodiscard]] bool pkey_allocated(const AddressSpace& mm, int pkey);

}  // namespace faultline::mmu

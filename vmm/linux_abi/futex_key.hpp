// What a futex address means to whoever shares it (Linux get_futex_key).
#pragma once

#include "mmu/space/address_space.hpp"
#include "vmm/linux_abi/wait_state.hpp"

namespace faultline::vmm::linux_abi {

enum class FutexScope : std::uint8_t { kPrivate, kShared };

// By the file where the address lies in a shared mapping and `scope` allows it, else by the
// address space.
FutexKey futex_key(const mmu::AddressSpace& mm, Gva address, FutexScope scope);

}  // namespace faultline::vmm::linux_abi

// KVM's table of CPUID leaves.
#pragma once

#include <algorithm>
#include <cstdint>

#include "vmm/kvm/kvm_header.hpp"

namespace faultline::vmm::kvm {

// The entry of a leaf and subleaf, or null. `Entries`: std::vector<kvm_cpuid_entry2>, const or not.
template <class Entries>
auto* find_cpuid(Entries& entries, std::uint32_t function, std::uint32_t index = 0) {
  const auto it = std::find_if(entries.begin(), entries.end(),
                               [&](const kvm_cpuid_entry2& e) { return e.function == function && e.index == index; });
  return it == entries.end() ? nullptr : &*it;
}

}  // namespace faultline::vmm::kvm

// KVM's own binary statistics (Linux Documentation/virt/kvm/api.rst, "KVM_GET_STATS_FD").
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/port/host_statistics.hpp"

namespace faultline::vmm::kvm {

// Of the VM or vCPU with this descriptor. Error: KVM has none (before Linux 5.14), or what it gives
// makes no sense.
Result<std::vector<HostStatistic>> read_statistics(int fd);

// The same from the bytes that its statistics descriptor gives.
Result<std::vector<HostStatistic>> parse_statistics(std::span<const std::byte> bytes);

}  // namespace faultline::vmm::kvm

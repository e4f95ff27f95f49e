// Counting (Linux mm_account_fault; rules of docs/fault-counting.md).
#pragma once

#include "mmu/fault/context.hpp"

namespace faultline::mmu {

// One call of handle_mm_fault ended with `fault`. True when it was counted as a major fault.
bool account_fault(AddressSpace& mm, const FaultRequest& request, VmFault fault, FaultFlags flags);

// LinuxBehaviour::arch_counts_faults: the whole fault succeeded, in one or more attempts.
void account_fault_by_arch(FaultCounters& counters, FaultOrigin origin, bool major);

}  // namespace faultline::mmu

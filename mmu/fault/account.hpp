// Counting (Linux mm_account_fault; rules of docs/fault-counting.md).
#pragma once

#include "mmu/fault/context.hpp"

namespace faultline::mmu {

// A fault reached handle_mm_fault and ended with `result`.
void account_fault(FaultCounters& counters, FaultOrigin origin, VmFault result);

}  // namespace faultline::mmu

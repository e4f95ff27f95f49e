#include "mmu/fault/account.hpp"

namespace faultline::mmu {

void account_fault_by_arch(FaultCounters& c, FaultOrigin origin, bool major) {
  ++(major ? c.major : c.minor);
  if (origin == FaultOrigin::kGup) return;  // no registers, nothing for perf to attribute
  ++(major ? c.perf_major : c.perf_minor);
}

bool account_fault(AddressSpace& mm, FaultOrigin origin, VmFault fault, FaultFlags flags) {
  FaultCounters& c = mm.counters;
  if (fault.any(VmFault::kMajor)) ++c.vm_major;  // where the I/O was done, attempt by attempt
  if (mm.env().behaviour.arch_counts_faults) {
    ++c.vm_faults;
    return false;
  }
  if (fault.any(VmFault::kRetry)) return false;  // counted when it is complete
  ++c.vm_faults;
  if (fault.error()) return false;
  // Where Linux drops the lock for I/O, populate and mlock look the page up anew, without TRIED: it is there by then.
  const bool waited = fault.any(VmFault::kMajor) && origin != FaultOrigin::kGup;
  const bool major = waited || flags.has(FaultFlags::kTried);
  account_fault_by_arch(c, origin, major);
  return major;
}

}  // namespace faultline::mmu

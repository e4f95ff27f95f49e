#include "mmu/fault/account.hpp"

namespace faultline::mmu {

void account_fault(FaultCounters& c, FaultOrigin origin, VmFault result) {
  ++c.vm_faults;
  const bool major = result.any(VmFault::kMajor);
  if (major) ++c.vm_major;
  if (result.error()) return;
  ++(major ? c.major : c.minor);
  if (origin == FaultOrigin::kGup) return;  // no registers, nothing for perf to attribute
  ++(major ? c.perf_major : c.perf_minor);
}

}  // namespace faultline::mmu

#include "mmu/fault/account.hpp"

namespace faultline::mmu {

void account_fault_by_arch(FaultCounters& c, FaultOrigin origin, bool major) {
  ++(major ? c.major : c.minor);
  if (origin == FaultOrigin::kGup) return;  // no registers, nothing for perf to attribute
  ++(major ? c.perf_major : c.perf_minor);
}

namespace {
// Linux makes two attempts where we wait. Is the second one TRIED? It is major then, whatever it finds.
bool tried_again(const FaultRequest& request, VmFault fault, FaultFlags flags) {
  if (!fault.any(VmFault::kMajor | VmFault::kWaited)) return false;
  if (request.origin == FaultOrigin::kGup) return request.gup.wait == GupWait::kTried;
  // Not after an attempt under the VMA's own lock, unless that did I/O.
  return fault.any(VmFault::kMajor) || !flags.has(FaultFlags::kVmaLock);
}
}  // namespace

bool account_fault(AddressSpace& mm, const FaultRequest& request, VmFault fault, FaultFlags flags) {
  FaultCounters& c = mm.counters;
  if (fault.any(VmFault::kMajor)) ++c.vm_major;  // where the I/O was done, attempt by attempt
  if (mm.env().behaviour.arch_counts_faults) {
    ++c.vm_faults;
    return false;
  }
  if (fault.any(VmFault::kRetry)) return false;  // counted when it is complete
  ++c.vm_faults;
  if (fault.error()) return false;
  const bool held = request.origin == FaultOrigin::kGup && request.gup.wait == GupWait::kHeld;
  const bool major =
      tried_again(request, fault, flags) || flags.has(FaultFlags::kTried) || (held && fault.any(VmFault::kMajor));
  account_fault_by_arch(c, request.origin, major);
  return major;
}

}  // namespace faultline::mmu

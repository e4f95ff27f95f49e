#include "mmu/space/populate.hpp"

#include <algorithm>

#include "mmu/fault/fault.hpp"

namespace faultline::mmu {

SysResult<void> populate_vma(AddressSpace& mm, const Vma& vma, Gva start, Gva end, GupWait wait) {
  if (vma.flags.has(VmFlags::kLockOnFault)) return {};
  if (!vma.flags.accessible()) return sys_error(EFAULT);
  const bool write = vma.flags.has(VmFlags::kWrite) && !vma.flags.has(VmFlags::kShared);
  for (Gva at = start; at < end; at = at + kPageSize) {
    const auto ready = fault_in_page(mm, at, write, FaultOrigin::kGup, {.force = true, .wait = wait});
    if (!ready) return ready;
  }
  return {};
}

SysResult<void> mm_populate(AddressSpace& mm, Gva start, Gva end, PopulateErrors errors) {
  for (Gva at = start; at < end;) {
    const Vma* vma = mm.vmas.first_in(at, end);
    if (vma == nullptr) break;
    const Gva stop = std::min(vma->end, end);
    const auto done = populate_vma(mm, *vma, std::max(vma->start, at), stop);
    if (!done && errors == PopulateErrors::kStop) return done;
    at = stop;
  }
  return {};
}

SysResult<void> populate_for_access(AddressSpace& mm, Gva start, Gva end, bool write) {
  for (Gva at = start; at < end; at = at + kPageSize) {
    const Vma* vma = mm.vmas.lookup(at);
    if (vma == nullptr) return sys_error(ENOMEM);
    if (!vma->flags.has(write ? VmFlags::kWrite : VmFlags::kRead)) return sys_error(EINVAL);
    const auto ready = fault_in_page(mm, at, write, FaultOrigin::kGup);
    // Poisoned pages are skipped.
    if (!ready && ready.error().value() != EHWPOISON) return ready;
  }
  return {};
}

}  // namespace faultline::mmu

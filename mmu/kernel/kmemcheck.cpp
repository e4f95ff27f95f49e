#include "mmu/kernel/kmemcheck.hpp"

#include <algorithm>

namespace faultline::mmu {

Kmemcheck::Kmemcheck(KernelHooks& hooks, KernelTables& tables, Describe describe, Report report)
    : hooks_(hooks),
      pages_(tables),
      describe_(std::move(describe)),
      report_(std::move(report)),
      id_(hooks.add(HookPoint::kKmemcheck, [this](const FaultRequest& request) { return fault(request); })) {}

bool Kmemcheck::track(Gva va) {
  if (!pages_.add(va)) return false;
  shadows_[va.page_base()] = {};
  return true;
}

bool Kmemcheck::untrack(Gva va) {
  shadows_.erase(va.page_base());
  return pages_.remove(va);
}

// An access that straddles two tracked pages faults once for each, and is judged at the first.
HookVerdict Kmemcheck::fault(const FaultRequest& request) {
  if (!pages_.show(request.address)) return HookVerdict::kNotMine;
  const std::vector<MemoryAccess> accesses = describe_(request);
  for (const MemoryAccess& access : accesses) {
    if (access.read) check_read(request.ip, access);
  }
  for (const MemoryAccess& access : accesses) {
    if (access.write) mark_written(access);
  }
  return HookVerdict::kHandledByStep;
}

void Kmemcheck::check_read(Gva ip, const MemoryAccess& access) {
  UninitialisedRead found{.ip = ip, .address = access.address, .bytes = access.bytes};
  for (unsigned i = 0; i < std::min(access.bytes, 64U); ++i) {
    bool* written = shadow(access, i);
    if (written == nullptr || *written) continue;
    if (found.unwritten == 0) found.address = access.address + i;
    found.unwritten |= 1ULL << i;
    *written = true;  // said once
  }
  if (found.unwritten != 0) report_(found);
}

void Kmemcheck::mark_written(const MemoryAccess& access) {
  for (unsigned i = 0; i < access.bytes; ++i) {
    if (bool* written = shadow(access, i)) *written = true;
  }
}

bool* Kmemcheck::shadow(const MemoryAccess& access, unsigned byte) {
  const auto address = access.address.checked_add(byte);
  if (!address) return nullptr;
  const auto at = shadows_.find(address->page_base());
  return at == shadows_.end() ? nullptr : &at->second[address->page_offset()];
}

}  // namespace faultline::mmu

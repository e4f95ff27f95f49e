#include "mmu/kernel/kmmio.hpp"

namespace faultline::mmu {

Kmmio::Kmmio(KernelHooks& hooks, KernelTables& tables, Report report)
    : hooks_(hooks),
      tables_(tables),
      pages_(tables),
      report_(std::move(report)),
      id_(hooks.add(HookPoint::kKmmio, [this](const FaultRequest& request) { return fault(request); })) {}

// Linux kmmio_handler: only a page that is not present can be hidden.
HookVerdict Kmmio::fault(const FaultRequest& request) {
  if (request.error.present() || !pages_.show(request.address)) return HookVerdict::kNotMine;
  const Walk walk = tables_.walk(request.address);
  if (walk.mapped()) pending_.push_back({request.ip, request.address, walk.physical().page_base()});
  return HookVerdict::kHandledByStep;
}

// One instruction may have several accesses: one that writes what it read, one with REP.
void Kmmio::bus(Gpa physical, bool write, unsigned bytes, std::uint64_t value) {
  for (const Pending& fault : pending_) {
    if (fault.physical != physical.page_base()) continue;
    const Gva address = fault.address.page_base() + physical.page_offset();
    return report_({++count_, fault.ip, address, physical, write, bytes, value});
  }
}

bool Kmmio::stepped() {
  pending_.clear();
  return pages_.hide();
}

}  // namespace faultline::mmu

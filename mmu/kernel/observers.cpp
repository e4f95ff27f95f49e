#include "mmu/kernel/observers.hpp"

namespace faultline::mmu {

ContextTracking::ContextTracking(KernelHooks& hooks)
    : hooks_(hooks),
      enter_(hooks.add_enter([this](const FaultRequest& request) {
        ++(request.origin == FaultOrigin::kUser ? from_user_ : from_kernel_);
        ++depth_;
      })),
      exit_(hooks.add_exit([this](const FaultRequest&, const FaultOutcome&) { --depth_; })) {}

ContextTracking::~ContextTracking() {
  hooks_.remove(enter_);
  hooks_.remove(exit_);
}

FaultEvents::FaultEvents(KernelHooks& hooks)
    : hooks_(hooks), id_(hooks.add_perf([this](PerfEvent event, const FaultRequest& request) {
        ++counts_[static_cast<std::size_t>(event)];
        if (event == PerfEvent::kPageFaults) ++by_page_[request.address.page_base()];
      })) {}

Probes::Probes(KernelHooks& hooks)
    : hooks_(hooks), id_(hooks.add(HookPoint::kKprobes, [this](const FaultRequest& request) {
        const auto at = handlers_.find(request.ip);
        const bool taken = at != handlers_.end() && at->second(request);
        return taken ? HookVerdict::kHandled : HookVerdict::kNotMine;
      })) {}

}  // namespace faultline::mmu

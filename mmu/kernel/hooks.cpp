#include "mmu/kernel/hooks.hpp"

namespace faultline::mmu {

std::string_view name(PerfEvent event) {
  switch (event) {
    case PerfEvent::kPageFaults: return "page-faults";
    case PerfEvent::kPageFaultsMinor: return "minor-faults";
    case PerfEvent::kPageFaultsMajor: return "major-faults";
  }
  return "?";
}

template <class F>
KernelHooks::Id KernelHooks::push(std::vector<Registered<F>>& list, F call) {
  list.push_back({Id{next_++}, std::move(call)});
  return list.back().id;
}

KernelHooks::Id KernelHooks::add(HookPoint point, Fault fault) {
  return push(faults_, AtPoint{point, std::move(fault)});
}
KernelHooks::Id KernelHooks::add_enter(Enter enter) { return push(enters_, std::move(enter)); }
KernelHooks::Id KernelHooks::add_exit(Exit exit) { return push(exits_, std::move(exit)); }
KernelHooks::Id KernelHooks::add_perf(Perf perf) { return push(perfs_, std::move(perf)); }

void KernelHooks::remove(Id id) {
  const auto is_it = [id](const auto& registered) { return registered.id == id; };
  std::erase_if(faults_, is_it);
  std::erase_if(enters_, is_it);
  std::erase_if(exits_, is_it);
  std::erase_if(perfs_, is_it);
}

HookVerdict KernelHooks::ask(HookPoint point, const FaultRequest& request) const {
  for (const auto& [id, hook] : faults_) {
    if (hook.point != point) continue;
    if (const HookVerdict verdict = hook.fault(request); verdict != HookVerdict::kNotMine) return verdict;
  }
  return HookVerdict::kNotMine;
}

void KernelHooks::enter(const FaultRequest& request) const {
  for (const auto& [id, call] : enters_) call(request);
}

void KernelHooks::exit(const FaultRequest& request, const FaultOutcome& outcome) const {
  for (const auto& [id, call] : exits_) call(request, outcome);
}

void KernelHooks::perf(const FaultCounters& before, const FaultCounters& after, const FaultRequest& request) const {
  for (const auto& [id, call] : perfs_) {
    if (after.perf_faults != before.perf_faults) call(PerfEvent::kPageFaults, request);
    if (after.perf_minor != before.perf_minor) call(PerfEvent::kPageFaultsMinor, request);
    if (after.perf_major != before.perf_major) call(PerfEvent::kPageFaultsMajor, request);
  }
}

}  // namespace faultline::mmu

// Who wants to be asked, or told, about faults on their way through the ladder: the places where
// Linux has kmmio_fault, kmemcheck_fault, kprobe_page_fault, exception_enter and exception_exit, and
// perf_sw_event. Callables are registered and asked in the order in which they came.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "mmu/fault/fault.hpp"

namespace faultline::mmu {

enum class HookVerdict : std::uint8_t {
  kNotMine,
  kHandled,        // make the access again
  kHandledByStep,  // make it again, stop behind the instruction, and tell whoever asked for that
};

enum class HookPoint : std::uint8_t {
  kKmmio,      // before everything else
  kKmemcheck,  // kernel addresses that are not present, behind vmalloc_fault
  kKprobes,    // kernel addresses, before bad_area_nosemaphore; user addresses, before their lookup
};

enum class PerfEvent : std::uint8_t { kPageFaults, kPageFaultsMinor, kPageFaultsMajor };
std::string_view name(PerfEvent event);

class KernelHooks {
 public:
  using Fault = std::function<HookVerdict(const FaultRequest&)>;
  using Enter = std::function<void(const FaultRequest&)>;
  using Exit = std::function<void(const FaultRequest&, const FaultOutcome&)>;
  using Perf = std::function<void(PerfEvent, const FaultRequest&)>;
  enum class Id : std::uint32_t {};

  // Not from within a hook. What a callable refers to must live until it is removed.
  Id add(HookPoint point, Fault fault);
  Id add_enter(Enter enter);
  Id add_exit(Exit exit);
  Id add_perf(Perf perf);
  void remove(Id id);

  // The first verdict that is not kNotMine. Only of faults of the kernel, but for kKmmio.
  [[nodiscard]] HookVerdict ask(HookPoint point, const FaultRequest& request) const;
  void enter(const FaultRequest& request) const;
  void exit(const FaultRequest& request, const FaultOutcome& outcome) const;
  // What was counted between the two.
  void perf(const FaultCounters& before, const FaultCounters& after, const FaultRequest& request) const;

 private:
  template <class F>
  struct Registered {
    Id id;
    F call;
  };
  struct AtPoint {
    HookPoint point;
    Fault fault;
  };
  template <class F>
  Id push(std::vector<Registered<F>>& list, F call);

  std::vector<Registered<AtPoint>> faults_;
  std::vector<Registered<Enter>> enters_;
  std::vector<Registered<Exit>> exits_;
  std::vector<Registered<Perf>> perfs_;
  std::uint32_t next_ = 1;
};

}  // namespace faultline::mmu

// Three small users of the hooks: who the CPU works for, what perf counts, and handlers of faults at
// certain instructions.
#pragma once

#include <map>

#include "mmu/kernel/hooks.hpp"

namespace faultline::mmu {

// Linux context tracking: exception_enter and exception_exit tell that the CPU works for the kernel
// although it came from user code. Faults nest only if a handler of one takes another.
class ContextTracking {
 public:
  explicit ContextTracking(KernelHooks& hooks);
  ~ContextTracking();
  ContextTracking(const ContextTracking&) = delete;
  ContextTracking& operator=(const ContextTracking&) = delete;

  [[nodiscard]] std::uint64_t from_user() const { return from_user_; }
  [[nodiscard]] std::uint64_t from_kernel() const { return from_kernel_; }
  // Faults entered and not left: 0 between faults.
  [[nodiscard]] unsigned depth() const { return depth_; }

 private:
  KernelHooks& hooks_;
  KernelHooks::Id enter_, exit_;
  std::uint64_t from_user_ = 0, from_kernel_ = 0;
  unsigned depth_ = 0;
};

// Counts of perf's software events, all and by page, as `perf record -e page-faults -d` would tell.
class FaultEvents {
 public:
  explicit FaultEvents(KernelHooks& hooks);
  ~FaultEvents() { hooks_.remove(id_); }
  FaultEvents(const FaultEvents&) = delete;
  FaultEvents& operator=(const FaultEvents&) = delete;

  [[nodiscard]] std::uint64_t count(PerfEvent event) const { return counts_[static_cast<std::size_t>(event)]; }
  [[nodiscard]] const std::map<Gva, std::uint64_t>& by_page() const { return by_page_; }

 private:
  KernelHooks& hooks_;
  KernelHooks::Id id_;
  std::array<std::uint64_t, 3> counts_{};
  std::map<Gva, std::uint64_t> by_page_;
};

// Linux kprobes' fault handlers (until 5.14, kprobe::fault_handler): a fault at a probed instruction
// is offered to whoever probed it, before the exception table is asked.
class Probes {
 public:
  using Handler = std::function<bool(const FaultRequest&)>;  // true: taken care of, resume

  explicit Probes(KernelHooks& hooks);
  ~Probes() { hooks_.remove(id_); }
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  // False when the instruction is probed already.
  bool add(Gva ip, Handler handler) { return handlers_.emplace(ip, std::move(handler)).second; }
  bool remove(Gva ip) { return handlers_.erase(ip) != 0; }

 private:
  KernelHooks& hooks_;
  KernelHooks::Id id_;
  std::map<Gva, Handler> handlers_;
};

}  // namespace faultline::mmu

#include "vmm/run/runner.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/run/watchdog.hpp"

namespace faultline::vmm {

std::optional<RunEnd> Runner::handle(const PageFaultEvent& event) {
  ++statistics_.page_faults;
  const UserRegs& regs = vcpu_.regs();
  const mmu::FaultOutcome outcome = mmu::handle_page_fault(task_.mm(), {.address = event.address,
                                                                        .error = event.error,
                                                                        .ip = Gva(regs.rip),
                                                                        .origin = mmu::FaultOrigin::kUser,
                                                                        .sp = Gva(regs[UserRegs::kRsp])});
  if (storm_.fault(event, regs)) {
    return LimitReached{LimitKind::kFaultStorm,
                        fmt::format("the same fault {} times with no progress: address {:#x}, error code {:#x}, rip "
                                    "{:#x} (--storm-limit sets how many)",
                                    storm_.repeats(), event.address.raw(), event.error.raw(), regs.rip)};
  }
  ++statistics_.by_result[outcome.result];
  if (outcome.resolved()) {
    ++statistics_.by_path[outcome.path.decided_by()];
    return std::nullopt;
  }
  trap_ = LastTrap{event, regs, linux_abi::Task::signal_for(event, outcome), outcome.result};
  task_.on_page_fault(event, outcome);
  return std::nullopt;
}

std::optional<RunEnd> Runner::handle(const ExceptionEvent& event) {
  ++statistics_.exceptions;
  storm_.progress();
  trap_ = LastTrap{.event = event, .regs = vcpu_.regs(), .signal = task_.signal_for(event)};
  task_.on_exception(event);
  return std::nullopt;
}

std::optional<RunEnd> Runner::handle(const SyscallEvent&) {
  ++statistics_.syscalls;
  // Returning from a handler is not progress: a handler that repairs nothing storms.
  if (vcpu_.regs()[UserRegs::kRax] != SYS_rt_sigreturn) storm_.progress();
  task_.on_syscall();
  return std::nullopt;
}

std::optional<RunEnd> Runner::handle(const InterruptedEvent&) {
  ++statistics_.interrupts;
  return std::nullopt;
}

std::optional<RunEnd> Runner::handle(const FatalEvent& event) { return VcpuDied{event}; }

std::optional<RunEnd> Runner::check_exit_limit() {
  if (limits_.exits == 0 || statistics_.exits < limits_.exits) return std::nullopt;
  return LimitReached{LimitKind::kExits, fmt::format("{} exits from the vCPU, rip {:#x} (--exit-limit sets how many)",
                                                     statistics_.exits, vcpu_.regs().rip)};
}

void Runner::request_signal(int signo) {
  requested_signals_.fetch_or(std::uint64_t{1} << (signo - 1), std::memory_order_relaxed);
  vcpu_.kick();
}

void Runner::forward_signals() {
  std::uint64_t bits = requested_signals_.exchange(0, std::memory_order_relaxed);
  for (; bits != 0; bits &= bits - 1)
    task_.queue_signal(linux_abi::SignalInfo::from_user(__builtin_ctzll(bits) + 1, SI_KERNEL, 0, 0));
}

Result<RunEnd> Runner::run() {
  const Watchdog watchdog(vcpu_, limits_.time);
  for (;;) {
    if (requested_signals_.load(std::memory_order_relaxed) != 0) forward_signals();
    task_.deliver_signals();
    if (task_.exit_status()) {
      if (task_.exit_status()->signal != 0 && trap_ && trap_->signal.signo() == task_.exit_status()->signal)
        fatal_trap_ = trap_;
      return RunEnd{TaskExited{*task_.exit_status()}};
    }
    if (watchdog.expired()) {
      return RunEnd{LimitReached{LimitKind::kTime,
                                 fmt::format("{:.3g} s are over, rip {:#x} (--time-limit sets how many)",
                                             std::chrono::duration<double>(limits_.time).count(), vcpu_.regs().rip)}};
    }
    trap_.reset();
    auto event = vcpu_.run();
    if (!event) return tl::unexpected(event.error());
    ++statistics_.exits;
    statistics_.guest_ns += vcpu_.last_run().left_ns - vcpu_.last_run().entered_ns;
    if (recorder_ != nullptr) recorder_->left_guest();
    if (auto end = std::visit([this](const auto& e) { return handle(e); }, *event)) return *end;
    if (auto end = check_exit_limit()) return *end;
  }
}

}  // namespace faultline::vmm

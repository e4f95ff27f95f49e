#include "vmm/run/runner.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "vmm/host/clock.hpp"
#include "vmm/run/watchdog.hpp"

namespace faultline::vmm {

std::optional<RunEnd> Runner::handle(const PageFaultEvent& event) {
  ++statistics_.page_faults;
  const UserRegs& regs = vcpu_.regs();
  const mmu::FaultOutcome outcome = mmu::handle_page_fault(task_->mm(), {.address = event.address,
                                                                         .error = event.error,
                                                                         .ip = Gva(regs.rip),
                                                                         .origin = mmu::FaultOrigin::kUser,
                                                                         .sp = Gva(regs[UserRegs::kRsp])});
  if (storm_->fault(event, regs)) {
    return LimitReached{LimitKind::kFaultStorm,
                        fmt::format("the same fault {} times with no progress: address {:#x}, error code {:#x}, rip "
                                    "{:#x} (--storm-limit sets how many)",
                                    storm_->repeats(), event.address.raw(), event.error.raw(), regs.rip)};
  }
  ++statistics_.by_result[outcome.result];
  if (outcome.resolved()) {
    ++statistics_.by_path[outcome.path.decided_by()];
    return std::nullopt;
  }
  trap_ = LastTrap{event, regs, linux_abi::Task::signal_for(event, outcome), outcome.result};
  task_->on_page_fault(event, outcome);
  return std::nullopt;
}

std::optional<RunEnd> Runner::handle(const ExceptionEvent& event) {
  ++statistics_.exceptions;
  storm_->progress();
  trap_ = LastTrap{.event = event, .regs = vcpu_.regs(), .signal = task_->signal_for(event)};
  task_->on_exception(event);
  return std::nullopt;
}

std::optional<RunEnd> Runner::handle(const SyscallEvent&) {
  ++statistics_.syscalls;
  // Returning from a handler is not progress: a handler that repairs nothing storms.
  if (vcpu_.regs()[UserRegs::kRax] != SYS_rt_sigreturn) storm_->progress();
  if (recording_ != nullptr) recording_->syscall_begins(*task_);
  task_->on_syscall();
  if (recording_ != nullptr) recording_->syscall_left(*task_);
  return std::nullopt;
}

std::optional<RunEnd> Runner::handle(const InterruptedEvent&) {
  ++statistics_.interrupts;
  // It may have come of a kick that was there before the guest was entered: no time passed, then.
  if (tick_) left_ns_ = monotonic_ns();
  return std::nullopt;
}

std::optional<RunEnd> Runner::handle(const FatalEvent& event) { return VcpuDied{event}; }

std::optional<RunEnd> Runner::check_exit_limit() {
  if (limits_.exits == 0 || statistics_.exits < limits_.exits) return std::nullopt;
  return LimitReached{LimitKind::kExits, fmt::format("{} exits from the vCPU, rip {:#x} (--exit-limit sets how many)",
                                                     statistics_.exits, vcpu_.regs().rip)};
}

void Runner::request_signal(int signo, bool from_terminal) {
  auto& requested = from_terminal ? terminal_signals_ : requested_signals_;
  requested.fetch_or(std::uint64_t{1} << (signo - 1), std::memory_order_relaxed);
  vcpu_.kick();
}

void Runner::forward_signals() {
  const auto send = [this](std::uint64_t bits, auto wants) {
    for (; bits != 0; bits &= bits - 1)
      for (const auto& [pid, task] : processes_.all())
        if (wants(*task))
          task->queue_signal(linux_abi::SignalInfo::from_user(__builtin_ctzll(bits) + 1, SI_KERNEL, 0, 0));
  };
  const bool first_ended = processes_.first().exit_status().has_value();
  send(requested_signals_.exchange(0, std::memory_order_relaxed),
       [&](const linux_abi::Task& t) { return first_ended || &t == &processes_.first(); });
  const int foreground = processes_.foreground_group != 0 ? processes_.foreground_group : processes_.first().kin.group;
  send(terminal_signals_.exchange(0, std::memory_order_relaxed),
       [&](const linux_abi::Task& t) { return t.kin.group == foreground; });
}

// All are stopped, and nobody in the guest is left to continue them: for whoever started us it is
// we who stopped. Continued, we continue them.
void Runner::stop_with_guest() {
  ::raise(SIGSTOP);
  for (const auto& [pid, task] : processes_.all())
    task->queue_signal(linux_abi::SignalInfo::from_user(SIGCONT, SI_KERNEL, 0, 0));
}

// Time that passed and was nobody's.
std::uint64_t Runner::idle_ns() const {
  return scheduler_.statistics().idle_ns + (debugger_ != nullptr ? debugger_->held_ns() : 0);
}

// What went since the last look was spent for `task`, in the guest or for it.
void Runner::account(linux_abi::Task& task) {
  const RunTimes& times = vcpu_.last_run();
  task.user_ns += times.left_ns - times.entered_ns;
  const std::uint64_t idle = idle_ns();
  const std::uint64_t since = accounted_ns_ + (idle - idle_ns_);
  if (times.entered_ns > since) task.system_ns += times.entered_ns - since;
  accounted_ns_ = times.left_ns;
  idle_ns_ = idle;
}

void Runner::take_turn(linux_abi::Task& task) {
  if (task_ == &task) return;
  task_ = &task;
  storm_ = &storms_.try_emplace(task.pid(), limits_.storm).first->second;
  accounted_ns_ = monotonic_ns();
  idle_ns_ = idle_ns();
  if (recorder_ != nullptr) recorder_->set_process(static_cast<std::uint32_t>(task.pid()));
  if (recording_ != nullptr) recording_->switched_to(task);
}

void Runner::end_of(linux_abi::Task& task) {
  if (debugger_ != nullptr) debugger_->ended(task);
  const int killed_by = task.exit_status()->signal;
  if (killed_by != 0 && trap_ && trap_->signal.signo() == killed_by) {
    if (&task == &processes_.first()) {
      fatal_trap_ = trap_;
    } else if (on_fatal_) {
      on_fatal_(task, *trap_);
    }
  }
  const int pid = task.pid(), status = task.exit_status()->shell_status();
  storms_.erase(pid);
  task_ = nullptr;
  scheduler_.forget_current();
  processes_.bury(task);
  if (recording_ != nullptr) recording_->process_ended(static_cast<std::uint32_t>(pid), status);
}

void Runner::retry_syscall() {
  task_->retry_syscall();
  if (recording_ != nullptr) recording_->syscall_left(*task_);
}

// One event of the guest, or one look at who could go on.
Result<std::optional<RunEnd>> Runner::step() {
  const auto task = scheduler_.next(left_ns_);
  if (!task) return tl::unexpected(task.error());
  if (*task == nullptr) {
    left_ns_ = monotonic_ns();
    if (processes_.all_stopped()) stop_with_guest();
    return std::nullopt;
  }
  take_turn(**task);
  if (task_->blocked()) retry_syscall();
  if (task_->blocked()) return std::nullopt;
  if (debugger_ != nullptr) debugger_->before_signals(*task_);
  task_->deliver_signals();
  if (task_->exit_status()) {
    end_of(*task_);
    return std::nullopt;
  }
  if (!task_->runnable()) return std::nullopt;
  if (debugger_ != nullptr && !debugger_->before_run(*task_)) return std::nullopt;
  return enter_guest();
}

Result<std::optional<RunEnd>> Runner::enter_guest() {
  trap_.reset();
  auto event = vcpu_.run();
  if (!event) return tl::unexpected(event.error());
  left_ns_ = vcpu_.last_run().left_ns;
  account(*task_);
  statistics_.guest_ns += left_ns_ - vcpu_.last_run().entered_ns;
  if (recorder_ != nullptr) recorder_->left_guest();
  if (recording_ != nullptr) recording_->left_guest(*event);
  if (debugger_ != nullptr && debugger_->after_run(*task_, *event)) return std::nullopt;
  ++statistics_.exits;
  if (auto end = std::visit([this](const auto& e) { return handle(e); }, *event)) return end;
  if (task_->exit_status()) end_of(*task_);
  return check_exit_limit();
}

void Runner::set_ticker(std::chrono::nanoseconds interval, std::function<void()> tick) {
  tick_ = std::move(tick);
  tick_interval_ns_ = static_cast<std::uint64_t>(interval.count());
}

void Runner::tick() {
  tick_();
  next_tick_ns_ = std::max(next_tick_ns_ + tick_interval_ns_, monotonic_ns());
  tick_timer_.set(next_tick_ns_);
}

Result<RunEnd> Runner::run() {
  if (debugger_ == nullptr) return run_to_end();
  debugger_->begin([this] {
    return (requested_signals_.load(std::memory_order_relaxed) | terminal_signals_.load(std::memory_order_relaxed)) !=
               0 ||
           (watchdog_ != nullptr && watchdog_->expired());
  });
  auto end = run_to_end();
  watchdog_ = nullptr;
  debugger_->finish();
  return end;
}

Result<RunEnd> Runner::run_to_end() {
  const Watchdog watchdog(vcpu_, limits_.time);
  watchdog_ = &watchdog;
  if (tick_) {
    next_tick_ns_ = monotonic_ns() + tick_interval_ns_;
    tick_timer_.set(next_tick_ns_);
  }
  while (processes_.living() > 0) {
    if ((requested_signals_.load(std::memory_order_relaxed) | terminal_signals_.load(std::memory_order_relaxed)) != 0)
      forward_signals();
    if (watchdog.expired()) {
      return RunEnd{LimitReached{LimitKind::kTime,
                                 fmt::format("{:.3g} s are over, rip {:#x} (--time-limit sets how many)",
                                             std::chrono::duration<double>(limits_.time).count(), vcpu_.regs().rip)}};
    }
    if (left_ns_ >= next_tick_ns_) tick();
    if (debugger_ != nullptr) debugger_->look(scheduler_.current());
    auto end = step();
    if (!end) return tl::unexpected(end.error());
    if (*end) return **end;
  }
  return RunEnd{TaskExited{*processes_.first().exit_status()}};
}

}  // namespace faultline::vmm

// Generation and delivery of signals (Linux kernel/signal.c, arch/x86/kernel/signal.c).
#include <algorithm>
#include <array>

#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/rseq.hpp"
#include "vmm/linux_abi/signal_frame.hpp"
#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::uint64_t kDefault = 0, kIgnore = 1;  // SIG_DFL, SIG_IGN
// SYNCHRONOUS_MASK: taken before the others.
constexpr std::array kSynchronous = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS};

bool ignored_by_default(int signo) {
  return signo == SIGCONT || signo == SIGCHLD || signo == SIGWINCH || signo == SIGURG;
}
bool stops_by_default(int signo) {
  return signo == SIGSTOP || signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU;
}

}  // namespace

KernelSigaction SignalState::action(int signo) const {
  const auto it = actions.find(signo);
  return it == actions.end() ? KernelSigaction{} : it->second;
}

bool SignalState::ignores(int signo) const {
  const std::uint64_t handler = action(signo).handler;
  return handler == kIgnore || (handler == kDefault && ignored_by_default(signo));
}

void SignalState::reset_handlers() {
  std::erase_if(actions, [](const auto& entry) { return entry.second.handler != kIgnore; });
  for (auto& [signo, action] : actions) action = KernelSigaction{.handler = kIgnore};
}

SignalSet SignalState::pending_set() const {
  SignalSet set;
  for (const auto& [signo, signal] : pending) set.add(signo);
  return set;
}

int SignalState::next_pending() const {
  const SignalSet ready = pending_set() & ~blocked;
  if (ready.empty()) return 0;
  for (int signo = 1; signo <= kSignals; ++signo) {
    if (ready.has(signo) && std::ranges::find(kSynchronous, signo) != kSynchronous.end()) return signo;
  }
  return ready.lowest();
}

// Linux prepare_signal, __send_signal_locked, complete_signal.
void Task::queue_signal(const SignalInfo& signal) {
  const int signo = signal.signo();
  if (exit_) return;
  if (stops_by_default(signo)) {
    signals_.pending.erase(SIGCONT);
  } else if (signo == SIGCONT) {
    for (const int stop : {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU}) signals_.pending.erase(stop);
    if (job.stopped && processes_.on_signal) processes_.on_signal(*this, signal, SignalOutcome::kContinued);
    ProcessTable::resume(*this);
  }
  if (signals_.ignores(signo) && !signals_.blocked.has(signo)) return;
  signals_.pending.try_emplace(signo, signal);
  if (signo == SIGKILL) job.stopped = false;
  if (!signals_.blocked.has(signo) || wait_.signals.has(signo)) wake();
}

void Task::force_signal(const SignalInfo& signal) {
  if (signal.trap) {
    const std::uint64_t cr2 = signal.trap->cr2.value_or(signals_.last_trap.cr2.value_or(0));
    signals_.last_trap = *signal.trap;
    signals_.last_trap.cr2 = cr2;
  }
  const int signo = signal.signo();
  if (signals_.action(signo).handler == kIgnore || signals_.blocked.has(signo)) {
    signals_.actions.erase(signo);
    signals_.blocked.remove(signo);
  }
  signals_.pending.insert_or_assign(signo, signal);
}

void Task::default_action(int signo) {
  if (ignored_by_default(signo)) return;
  if (!stops_by_default(signo)) return terminate({.code = 0, .signal = signo});
  // POSIX: who stops for the terminal must have somebody to continue it.
  if (signo != SIGSTOP && processes_.orphaned(kin.group)) return;
  ProcessTable::stop(*this, signo);
}

void Task::deliver_signals() {
  while (!exit_ && !job.stopped) {
    const int signo = signals_.next_pending();
    if (signo == 0) break;
    const SignalInfo signal = signals_.pending.at(signo);
    signals_.pending.erase(signo);
    const KernelSigaction action = signals_.action(signo);
    const auto tell = [&](SignalOutcome outcome) {
      if (processes_.on_signal) processes_.on_signal(*this, signal, outcome);
    };
    if (action.handler == kIgnore) {
      tell(SignalOutcome::kIgnored);
      continue;
    }
    if (action.handler == kDefault) {
      default_action(signo);
      tell(exit_ ? SignalOutcome::kKilled : job.stopped ? SignalOutcome::kStopped : SignalOutcome::kIgnored);
      continue;
    }
    if (handle_signal(signo, signal, action)) {
      tell(SignalOutcome::kHandler);
      continue;  // more frames may go on top
    }
    // Linux signal_setup_done: a frame that cannot be written is a SIGSEGV, and a deadly one
    // when that was what could not be delivered.
    if (signo == SIGSEGV) signals_.actions.erase(SIGSEGV);
    force_signal(SignalInfo::fault(SIGSEGV, SI_KERNEL, 0, signals_.last_trap));
  }
  if (exit_ || job.stopped) return;
  resolve_restart(nullptr);
  // No handler ran that would have restored it.
  if (signals_.saved_mask) signals_.blocked = *std::exchange(signals_.saved_mask, std::nullopt);
}

bool Task::handle_signal(int signo, const SignalInfo& signal, const KernelSigaction& action) {
  resolve_restart(&action);
  abort_rseq_section(*this);
  const SignalSet to_restore = signals_.saved_mask.value_or(signals_.blocked);
  const FrameRequest frame{.signo = signo,
                           .action = action,
                           .signal = &signal,
                           .saved_mask = to_restore,
                           .alternate = signals_.alternate,
                           .trap = signals_.last_trap};
  if (!push_signal_frame(*mm_, vcpu_, frame)) return false;
  signals_.saved_mask.reset();
  if ((action.flags & SA_RESETHAND) != 0) signals_.actions.erase(signo);
  SignalSet block = SignalSet(action.mask);
  if ((action.flags & SA_NODEFER) == 0) block.add(signo);
  signals_.blocked = (signals_.blocked | block) & ~kUnblockable;
  if ((signals_.alternate.flags & kSsAutoDisarm) != 0) signals_.alternate = KernelStack{.flags = SS_DISABLE};
  return true;
}

}  // namespace faultline::vmm::linux_abi

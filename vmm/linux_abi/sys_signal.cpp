// Signal actions, masks, stacks; waiting for signals; returning from a handler.
#include <sys/syscall.h>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/signal_frame.hpp"
#include "vmm/linux_abi/wait.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::uint64_t kSetBytes = 8;  // sizeof(kernel sigset_t)

bool valid(int signo) { return signo >= 1 && signo <= kSignals; }

SysResult<SignalSet> set_from_user(Task& task, Gva at) {
  const auto bits = mmu::get_user<std::uint64_t>(task.mm(), at);
  if (!bits) return tl::unexpected(bits.error());
  return SignalSet(*bits);
}

SyscallValue sys_rt_sigaction(Task& task, const SyscallArgs& args) {
  if (args[3] != kSetBytes) return sys_error(EINVAL);
  const int signo = args.i32(0);
  SignalState& signals = task.signals();
  std::optional<KernelSigaction> wanted;
  if (args[1] != 0) {
    const auto read = mmu::get_user<KernelSigaction>(task.mm(), args.gva(1));
    if (!read) return propagate(read);
    wanted = *read;
  }
  if (!valid(signo) || (wanted && kUnblockable.has(signo))) return sys_error(EINVAL);
  const KernelSigaction before = signals.action(signo);
  if (wanted) {
    wanted->mask &= ~kUnblockable.raw();
    signals.actions[signo] = *wanted;
    // POSIX: setting an ignoring action drops what is pending.
    if (signals.ignores(signo)) signals.pending.erase(signo);
  }
  return args[2] != 0 ? put(task, args.gva(2), before) : SyscallValue(0);
}

SyscallValue sys_rt_sigprocmask(Task& task, const SyscallArgs& args) {
  if (args[3] != kSetBytes) return sys_error(EINVAL);
  SignalSet& blocked = task.signals().blocked;
  const SignalSet before = blocked;
  if (args[1] != 0) {
    const auto set = set_from_user(task, args.gva(1));
    if (!set) return propagate(set);
    switch (args.i32(0)) {
      case SIG_BLOCK: blocked = blocked | *set; break;
      case SIG_UNBLOCK: blocked = blocked & ~*set; break;
      case SIG_SETMASK: blocked = *set; break;
      default: return sys_error(EINVAL);
    }
    blocked = blocked & ~kUnblockable;
  }
  return args[2] != 0 ? put(task, args.gva(2), before.raw()) : SyscallValue(0);
}

SyscallValue sys_rt_sigpending(Task& task, const SyscallArgs& args) {
  if (args[1] > kSetBytes) return sys_error(EINVAL);
  const std::uint64_t bits = (task.signals().pending_set() & task.signals().blocked).raw();
  const auto bytes = std::as_bytes(std::span(&bits, 1)).first(args[1]);
  return mmu::copy_to_user(task.mm(), args.gva(0), bytes) == 0 ? SyscallValue(0) : SyscallValue(sys_error(EFAULT));
}

// Until a signal comes.
SyscallValue wait_for_signal(Task& task) { return sys_error(task.signal_pending() ? kRestartNoHand : kBlocked); }

SyscallValue sys_rt_sigsuspend(Task& task, const SyscallArgs& args) {
  if (args[1] != kSetBytes) return sys_error(EINVAL);
  const auto set = set_from_user(task, args.gva(0));
  if (!set) return propagate(set);
  if (!task.signals().saved_mask) {  // not so in an earlier round
    task.signals().saved_mask = task.signals().blocked;
    task.signals().blocked = *set & ~kUnblockable;
  }
  return wait_for_signal(task);
}

SyscallValue sys_pause(Task& task, const SyscallArgs&) { return wait_for_signal(task); }

SyscallValue sys_rt_sigtimedwait(Task& task, const SyscallArgs& args) {
  if (args[3] != kSetBytes) return sys_error(EINVAL);
  const auto set = set_from_user(task, args.gva(0));
  if (!set) return propagate(set);
  std::optional<std::uint64_t> deadline;
  if (args[2] != 0) {
    const auto timeout = mmu::get_user<timespec>(task.mm(), args.gva(2));
    if (!timeout) return propagate(timeout);
    const auto ns = nanoseconds(*timeout);
    if (!ns) return propagate(ns);
    deadline = deadline_after(task, *ns);
  }
  SignalState& signals = task.signals();
  const SignalSet ready = signals.pending_set() & *set & ~kUnblockable;
  if (!ready.empty()) {
    const int signo = ready.lowest();
    const siginfo_t info = signals.pending.at(signo).info;
    signals.pending.erase(signo);
    if (args[1] != 0) {
      if (auto written = put(task, args.gva(1), info); !written) return written;
    }
    return static_cast<std::uint64_t>(signo);
  }
  switch (wait_until(task, deadline)) {
    case WaitResult::kTimedOut: return sys_error(EAGAIN);
    case WaitResult::kSignalled: return sys_error(EINTR);
    case WaitResult::kNotYet: break;
  }
  task.wait_state().signals = *set;
  return sys_error(kBlocked);
}

// Linux do_sigaltstack. `sp`: to know whether the stack in force is in use.
SysResult<void> set_alternate(Task& task, const KernelStack& wanted, std::uint64_t sp) {
  KernelStack& now = task.signals().alternate;
  if (alternate_stack_flags(now, sp) == SS_ONSTACK) return sys_error(EPERM);
  const std::int32_t mode = wanted.flags & ~kSsAutoDisarm;
  if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) return sys_error(EINVAL);
  if (mode == SS_DISABLE) {
    now = KernelStack{.sp = 0, .flags = wanted.flags, .pad = 0, .size = 0};
    return {};
  }
  constexpr std::uint64_t kMinimum = 2048;  // MINSIGSTKSZ
  if (wanted.size < kMinimum) return sys_error(ENOMEM);
  now = KernelStack{.sp = wanted.sp, .flags = wanted.flags, .pad = 0, .size = wanted.size};
  return {};
}

SyscallValue sys_sigaltstack(Task& task, const SyscallArgs& args) {
  const std::uint64_t sp = task.vcpu().regs()[UserRegs::kRsp];
  KernelStack before = task.signals().alternate;
  // Told: whether it is in use, and SS_AUTODISARM as it was set.
  before.flags = alternate_stack_flags(before, sp) | (before.flags & kSsAutoDisarm);
  if (args[0] != 0) {
    const auto wanted = mmu::get_user<KernelStack>(task.mm(), args.gva(0));
    if (!wanted) return propagate(wanted);
    if (auto set = set_alternate(task, *wanted, sp); !set) return propagate(set);
  }
  return args[1] != 0 ? put(task, args.gva(1), before) : SyscallValue(0);
}

SyscallValue sys_rt_sigreturn(Task& task, const SyscallArgs&) {
  RestoredFrame restored;
  if (!pop_signal_frame(task.mm(), task.vcpu(), restored)) {
    task.force_signal(SignalInfo::fault(SIGSEGV, SI_KERNEL, 0, task.signals().last_trap));
    return sys_error(kNoResult);
  }
  task.signals().blocked = restored.blocked;
  // Linux restore_altstack ignores what it cannot set.
  static_cast<void>(set_alternate(task, restored.alternate, task.vcpu().regs()[UserRegs::kRsp]));
  return sys_error(kNoResult);
}

}  // namespace

std::span<const SyscallEntry> signal_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_rt_sigaction, sys_rt_sigaction},   {SYS_rt_sigprocmask, sys_rt_sigprocmask},
      {SYS_rt_sigreturn, sys_rt_sigreturn},   {SYS_pause, sys_pause},
      {SYS_rt_sigpending, sys_rt_sigpending}, {SYS_rt_sigtimedwait, sys_rt_sigtimedwait},
      {SYS_rt_sigsuspend, sys_rt_sigsuspend}, {SYS_sigaltstack, sys_sigaltstack},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

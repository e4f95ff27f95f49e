// Sending signals to processes of the guest. Whoever is not one of them does not exist.
#include <sys/syscall.h>

#include <climits>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi {
namespace {

bool valid_or_zero(int signo) { return signo >= 0 && signo <= kSignals; }

SyscallValue send_to(Task* to, const SignalInfo& signal) {
  if (to == nullptr) return sys_error(ESRCH);
  if (signal.signo() != 0) to->queue_signal(signal);
  return 0;
}

// Linux kill_something_info: all that `wants` accepts, of which there must be one.
template <class Wants>
SyscallValue send_to_all(Task& sender, const SignalInfo& signal, Wants wants) {
  bool any = false;
  for (const auto& [pid, task] : sender.processes().all()) {
    if (!wants(*task)) continue;
    any = true;
    static_cast<void>(send_to(task.get(), signal));
  }
  return any ? SyscallValue(0) : SyscallValue(sys_error(ESRCH));
}

SyscallValue sys_kill(Task& task, const SyscallArgs& args) {
  const int pid = args.i32(0), signo = args.i32(1);
  if (!valid_or_zero(signo)) return sys_error(EINVAL);
  const SignalInfo signal = SignalInfo::from_user(signo, SI_USER, task.pid(), task.config().uid);
  if (pid > 0) return send_to(task.processes().find(pid), signal);
  if (pid == INT_MIN) return sys_error(ESRCH);
  if (pid == -1) return send_to_all(task, signal, [&task](const Task& t) { return &t != &task; });
  const int group = pid == 0 ? task.kin.group : -pid;
  return send_to_all(task, signal, [group](const Task& t) { return t.kin.group == group; });
}

// To a thread: every process has the one that its number names.
SyscallValue send_to_thread(Task& task, int tid, int signo) {
  if (!valid_or_zero(signo)) return sys_error(EINVAL);
  return send_to(task.processes().find(tid), SignalInfo::from_user(signo, SI_TKILL, task.pid(), task.config().uid));
}
SyscallValue sys_tkill(Task& task, const SyscallArgs& args) {
  if (args.i32(0) <= 0) return sys_error(EINVAL);
  return send_to_thread(task, args.i32(0), args.i32(1));
}
SyscallValue sys_tgkill(Task& task, const SyscallArgs& args) {
  if (args.i32(0) <= 0 || args.i32(1) <= 0) return sys_error(EINVAL);
  if (args.i32(0) != args.i32(1)) return sys_error(ESRCH);
  return send_to_thread(task, args.i32(1), args.i32(2));
}

// Linux do_rt_sigqueueinfo: nobody may pretend to another that the kernel or kill() sent it.
SyscallValue queue(Task& task, int pid, int signo, Gva at) {
  const auto info = mmu::get_user<siginfo_t>(task.mm(), at);
  if (!info) return propagate(info);
  if ((info->si_code >= 0 || info->si_code == SI_TKILL) && pid != task.pid()) return sys_error(EPERM);
  if (!valid_or_zero(signo)) return sys_error(task.processes().find(pid) != nullptr ? EINVAL : ESRCH);
  SignalInfo signal;
  signal.info = *info;
  signal.info.si_signo = signo;
  return send_to(task.processes().find(pid), signal);
}
SyscallValue sys_rt_sigqueueinfo(Task& t, const SyscallArgs& a) { return queue(t, a.i32(0), a.i32(1), a.gva(2)); }
SyscallValue sys_rt_tgsigqueueinfo(Task& t, const SyscallArgs& a) {
  if (a.i32(0) <= 0 || a.i32(1) <= 0) return sys_error(EINVAL);
  return a.i32(0) == a.i32(1) ? queue(t, a.i32(0), a.i32(2), a.gva(3)) : SyscallValue(sys_error(ESRCH));
}

}  // namespace

std::span<const SyscallEntry> kill_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_kill, sys_kill},     {SYS_rt_sigqueueinfo, sys_rt_sigqueueinfo},     {SYS_tkill, sys_tkill},
      {SYS_tgkill, sys_tgkill}, {SYS_rt_tgsigqueueinfo, sys_rt_tgsigqueueinfo},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

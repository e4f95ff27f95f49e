// Process groups and sessions (Linux kernel/sys.c).
#include <sys/syscall.h>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi {
namespace {

Task* find_or_self(Task& task, int pid) { return pid == 0 ? &task : task.processes().find(pid); }

SyscallValue sys_getpgrp(Task& task, const SyscallArgs&) { return static_cast<std::uint64_t>(task.kin.group); }
SyscallValue sys_getpgid(Task& task, const SyscallArgs& args) {
  const Task* of = find_or_self(task, args.i32(0));
  return of != nullptr ? SyscallValue(static_cast<std::uint64_t>(of->kin.group)) : SyscallValue(sys_error(ESRCH));
}
SyscallValue sys_getsid(Task& task, const SyscallArgs& args) {
  const Task* of = find_or_self(task, args.i32(0));
  return of != nullptr ? SyscallValue(static_cast<std::uint64_t>(of->kin.session)) : SyscallValue(sys_error(ESRCH));
}

SyscallValue sys_setpgid(Task& task, const SyscallArgs& args) {
  const int pid = args.i32(0) != 0 ? args.i32(0) : task.pid();
  const int group = args.i32(1) != 0 ? args.i32(1) : pid;
  if (group < 0) return sys_error(EINVAL);
  Task* of = task.processes().find(pid);
  if (of == nullptr) return sys_error(ESRCH);
  if (of->kin.parent == &task) {
    if (of->kin.session != task.kin.session) return sys_error(EPERM);
    if (of->kin.executed) return sys_error(EACCES);
  } else if (of != &task) {
    return sys_error(ESRCH);
  }
  if (of->kin.session == of->pid()) return sys_error(EPERM);  // a session's leader
  if (group != pid && !task.processes().group_in_session(group, task.kin.session)) return sys_error(EPERM);
  of->kin.group = group;
  return 0;
}

SyscallValue sys_setsid(Task& task, const SyscallArgs&) {
  for (const auto& [pid, other] : task.processes().all())
    if (other->kin.group == task.pid()) return sys_error(EPERM);
  task.kin.group = task.kin.session = task.pid();
  return static_cast<std::uint64_t>(task.pid());
}

}  // namespace

std::span<const SyscallEntry> group_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_setpgid, sys_setpgid}, {SYS_getpgrp, sys_getpgrp}, {SYS_setsid, sys_setsid},
      {SYS_getpgid, sys_getpgid}, {SYS_getsid, sys_getsid},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

// The process itself: identity, end, thread registers and names.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/rseq.hpp"
#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi {
namespace {

SyscallValue sys_exit(Task& task, const SyscallArgs& args) {
  task.terminate({.code = args.i32(0) & 0xff, .signal = 0});
  return sys_error(kNoResult);
}

SyscallValue own_id(const Task& task) { return static_cast<std::uint64_t>(task.config().pid); }
SyscallValue sys_getpid(Task& task, const SyscallArgs&) { return own_id(task); }
SyscallValue sys_gettid(Task& task, const SyscallArgs&) { return own_id(task); }
SyscallValue sys_getppid(Task& task, const SyscallArgs&) { return static_cast<std::uint64_t>(task.parent_pid()); }
SyscallValue sys_getuid(Task& task, const SyscallArgs&) { return task.config().uid; }
SyscallValue sys_geteuid(Task& task, const SyscallArgs&) { return task.config().euid; }
SyscallValue sys_getgid(Task& task, const SyscallArgs&) { return task.config().gid; }
SyscallValue sys_getegid(Task& task, const SyscallArgs&) { return task.config().egid; }

SyscallValue three_ids(Task& task, const SyscallArgs& args, std::uint32_t real, std::uint32_t effective) {
  for (const auto& [index, id] : {std::pair{0U, real}, std::pair{1U, effective}, std::pair{2U, effective}}) {
    if (auto written = put(task, args.gva(index), id); !written) return written;
  }
  return 0;
}
SyscallValue sys_getresuid(Task& t, const SyscallArgs& a) { return three_ids(t, a, t.config().uid, t.config().euid); }
SyscallValue sys_getresgid(Task& t, const SyscallArgs& a) { return three_ids(t, a, t.config().gid, t.config().egid); }

SyscallValue sys_getgroups(Task& task, const SyscallArgs& args) {
  const int size = args.i32(0);
  if (size < 0) return sys_error(EINVAL);
  std::array<gid_t, 65536> groups{};
  const int n = ::getgroups(static_cast<int>(groups.size()), groups.data());
  if (n < 0) return sys_error(errno);
  if (size == 0) return static_cast<std::uint64_t>(n);
  if (size < n) return sys_error(EINVAL);
  const auto bytes = std::as_bytes(std::span(groups).first(static_cast<std::size_t>(n)));
  if (mmu::copy_to_user(task.mm(), args.gva(1), bytes) != 0) return sys_error(EFAULT);
  return static_cast<std::uint64_t>(n);
}

// 0 or a process of the guest: what calls that take a pid and change nothing accept.
SyscallValue known(Task& task, int pid) {
  if (pid == 0 || task.processes().find(pid) != nullptr) return 0;
  return sys_error(pid < 0 ? EINVAL : ESRCH);
}

SyscallValue sys_set_tid_address(Task& task, const SyscallArgs& args) {
  task.clear_child_tid = args[0];
  return own_id(task);
}

SyscallValue sys_set_robust_list(Task& task, const SyscallArgs& args) {
  constexpr std::uint64_t kHeadBytes = 24;  // struct robust_list_head
  if (args[1] != kHeadBytes) return sys_error(EINVAL);
  task.robust_list = args[0];
  return 0;
}

SyscallValue registers_result(const Result<void>& result) {
  return result ? SyscallValue(0) : SyscallValue(sys_error(EIO));
}

SyscallValue sys_arch_prctl(Task& task, const SyscallArgs& args) {
  constexpr int kSetGs = 0x1001, kSetFs = 0x1002, kGetFs = 0x1003, kGetGs = 0x1004;
  const int code = args.i32(0);
  const bool sets = code == kSetFs || code == kSetGs;
  if (sets && args[1] >= task.mm().task_size().raw()) return sys_error(EPERM);
  if (code == kSetFs) return registers_result(task.vcpu().set_fs_base(args[1]));
  if (code == kSetGs) return registers_result(task.vcpu().set_gs_base(args[1]));
  if (code != kGetFs && code != kGetGs) return sys_error(EINVAL);
  const auto base = code == kGetFs ? task.vcpu().fs_base() : task.vcpu().gs_base();
  return base ? put(task, args.gva(1), *base) : SyscallValue(sys_error(EIO));
}

SyscallValue set_name(Task& task, Gva from) {
  std::array<std::byte, 16> text{};
  // As strncpy_from_user: up to the NUL, or 15 bytes.
  const auto name = mmu::string_from_user(task.mm(), from, text.size() - 1);
  if (name) {
    task.name = *name;
    return 0;
  }
  if (name.error() != Errno(ENAMETOOLONG)) return propagate(name);
  if (mmu::copy_from_user(task.mm(), std::span(text).first(15), from) != 0) return sys_error(EFAULT);
  task.name.assign(reinterpret_cast<const char*>(text.data()), 15);
  return 0;
}

SyscallValue sys_prctl(Task& task, const SyscallArgs& args) {
  switch (args.i32(0)) {
    case PR_SET_NAME: return set_name(task, args.gva(1));
    case PR_GET_NAME: {
      std::array<char, 16> text{};
      task.name.copy(text.data(), text.size() - 1);
      return put(task, args.gva(1), text);
    }
    case PR_GET_DUMPABLE: return 1;
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_KEEPCAPS:
    case PR_GET_SECCOMP:
    case PR_GET_THP_DISABLE: return 0;
    case PR_GET_TIMERSLACK: return 50'000;
    default: return sys_error(EINVAL);
  }
}

SyscallValue sys_sched_yield(Task&, const SyscallArgs&) { return 0; }

SyscallValue sys_sched_getaffinity(Task& task, const SyscallArgs& args) {
  if (auto of = known(task, args.i32(0)); !of) return of;
  constexpr std::uint64_t kCpuZero = 1;  // the guest has one CPU
  if (args.u32(1) < sizeof kCpuZero || args.u32(1) % sizeof kCpuZero != 0) return sys_error(EINVAL);
  if (auto written = put(task, args.gva(2), kCpuZero); !written) return written;
  return sizeof kCpuZero;
}

SyscallValue sys_sched_setaffinity(Task& task, const SyscallArgs& args) {
  if (auto of = known(task, args.i32(0)); !of) return of;
  std::uint64_t mask = 0;
  const auto bytes = std::as_writable_bytes(std::span(&mask, 1)).first(std::min<std::size_t>(args.u32(1), sizeof mask));
  if (mmu::copy_from_user(task.mm(), bytes, args.gva(2)) != 0) return sys_error(EFAULT);
  return (mask & 1) != 0 ? SyscallValue(0) : SyscallValue(sys_error(EINVAL));
}

// The raw call returns 20 - nice.
SyscallValue sys_getpriority(Task&, const SyscallArgs& args) {
  if (args.u32(0) > 2) return sys_error(EINVAL);
  return 20;
}

SyscallValue sys_getcpu(Task& task, const SyscallArgs& args) {
  for (unsigned i : {0U, 1U}) {
    if (args[i] == 0) continue;
    if (auto written = put(task, args.gva(i), std::uint32_t{0}); !written) return written;
  }
  return 0;
}

}  // namespace

std::span<const SyscallEntry> process_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_sched_yield, sys_sched_yield},
      {SYS_getpid, sys_getpid},
      {SYS_exit, sys_exit},
      {SYS_getuid, sys_getuid},
      {SYS_getgid, sys_getgid},
      {SYS_geteuid, sys_geteuid},
      {SYS_getegid, sys_getegid},
      {SYS_getppid, sys_getppid},
      {SYS_getgroups, sys_getgroups},
      {SYS_getresuid, sys_getresuid},
      {SYS_getresgid, sys_getresgid},
      {SYS_getpriority, sys_getpriority},
      {SYS_prctl, sys_prctl},
      {SYS_arch_prctl, sys_arch_prctl},
      {SYS_gettid, sys_gettid},
      {SYS_sched_setaffinity, sys_sched_setaffinity},
      {SYS_sched_getaffinity, sys_sched_getaffinity},
      {SYS_set_tid_address, sys_set_tid_address},
      {SYS_exit_group, sys_exit},
      {SYS_set_robust_list, sys_set_robust_list},
      {SYS_getcpu, sys_getcpu},
      {SYS_rseq, sys_rseq},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

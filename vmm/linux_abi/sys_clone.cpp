// fork, vfork, clone and clone3 (Linux kernel_clone, copy_process's checks).
#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/wait.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::uint64_t kClearSighand = 0x100000000, kIntoCgroup = 0x200000000;  // CLONE_*, of clone3 only
constexpr std::uint64_t kNewTime = 0x80;
constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                      CLONE_NEWPID | CLONE_NEWNET | kNewTime;

SysResult<void> check(const CloneRequest& request) {
  const auto has = [&request](std::uint64_t flag) { return (request.flags & flag) != 0; };
  if (has(CLONE_THREAD) && !has(CLONE_SIGHAND)) return sys_error(EINVAL);
  if (has(CLONE_SIGHAND) && !has(CLONE_VM)) return sys_error(EINVAL);
  if (has(kClearSighand) && has(CLONE_SIGHAND)) return sys_error(EINVAL);
  // Not served: threads, other users of one memory that run beside each other, namespaces,
  // process descriptors, cgroups.
  if (has(CLONE_THREAD | CLONE_SIGHAND | CLONE_PIDFD | kIntoCgroup | kNamespaces)) return sys_error(ENOSYS);
  if (has(CLONE_VM) && !has(CLONE_VFORK)) return sys_error(ENOSYS);
  return {};
}

// The parent of a vfork goes on when the child has memory of its own, or none. Only death ends
// the wait before that.
SyscallValue await_vfork(Task& task) {
  const int pid = task.wait_state().vfork_child;
  const Task* child = task.processes().find(pid);
  if (child == nullptr || child->kin.vfork_parent != &task) {
    task.apply_memory_limits();
    return static_cast<std::uint64_t>(pid);
  }
  return sys_error(task.signals().pending.contains(SIGKILL) ? EINTR : kBlocked);
}

SyscallValue start(Task& task, const CloneRequest& request) {
  if (task.wait_state().vfork_child != 0) return await_vfork(task);
  if (auto allowed = check(request); !allowed) return propagate(allowed);
  ProcessTable& processes = task.processes();
  const auto pid = processes.reserve_pid(task);
  if (!pid) return propagate(pid);
  auto made = task.clone(request, *pid);
  if (!made) return propagate(made);
  Task* parent = (request.flags & CLONE_PARENT) != 0 ? task.kin.parent : &task;
  if (parent != &task) (*made)->kin.exit_signal = task.kin.exit_signal;
  Task& child = processes.add(std::move(*made), parent);
  const auto number = static_cast<std::int32_t>(*pid);
  // As in Linux, a bad address here is nobody's error.
  if ((request.flags & CLONE_PARENT_SETTID) != 0)
    static_cast<void>(mmu::put_user(task.mm(), request.parent_tid, number));
  if ((request.flags & CLONE_CHILD_SETTID) != 0)
    static_cast<void>(mmu::put_user(child.mm(), request.child_tid, number));
  if ((request.flags & CLONE_VFORK) == 0) return static_cast<std::uint64_t>(*pid);
  task.wait_state().vfork_child = *pid;
  return sys_error(kBlocked);
}

SyscallValue sys_fork(Task& task, const SyscallArgs&) { return start(task, {.exit_signal = SIGCHLD}); }
SyscallValue sys_vfork(Task& task, const SyscallArgs&) {
  return start(task, {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD});
}

SyscallValue sys_clone(Task& task, const SyscallArgs& args) {
  constexpr std::uint64_t kFlags = 0xffffffff;
  CloneRequest request{.flags = args[0] & kFlags & ~std::uint64_t{CSIGNAL},
                       .exit_signal = static_cast<int>(args[0] & CSIGNAL),
                       .stack = args[1],
                       .tls = args[4],
                       .parent_tid = args.gva(2),
                       .child_tid = args.gva(3)};
  if ((request.flags & CLONE_PIDFD) != 0 && (request.flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)) != 0)
    return sys_error(EINVAL);
  return start(task, request);
}

// struct clone_args, of which a caller may have an older or a newer one.
struct CloneArgs {
  std::uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

SysResult<CloneArgs> clone_args(Task& task, const SyscallArgs& args) {
  constexpr std::uint64_t kFirstVersion = 64;
  const std::uint64_t size = args[1];
  if (size > kPageSize) return sys_error(E2BIG);
  if (size < kFirstVersion) return sys_error(EINVAL);
  std::array<std::byte, kPageSize> bytes{};
  if (mmu::copy_from_user(task.mm(), std::span(bytes).first(size), args.gva(0)) != 0) return sys_error(EFAULT);
  const auto beyond = std::span(bytes).subspan(sizeof(CloneArgs));
  if (std::ranges::any_of(beyond, [](std::byte b) { return b != std::byte{0}; })) return sys_error(E2BIG);
  CloneArgs result;
  std::memcpy(&result, bytes.data(), sizeof result);
  return result;
}

SyscallValue sys_clone3(Task& task, const SyscallArgs& args) {
  const auto a = clone_args(task, args);
  if (!a) return propagate(a);
  constexpr std::uint64_t kKnown = 0xffffffff | kClearSighand | kIntoCgroup;
  if ((a->flags & ~kKnown) != 0 || (a->flags & (CLONE_DETACHED | CSIGNAL) & ~kNewTime) != 0) return sys_error(EINVAL);
  if ((a->flags & (CLONE_THREAD | CLONE_PARENT)) != 0 && a->exit_signal != 0) return sys_error(EINVAL);
  if (a->exit_signal > kSignals) return sys_error(EINVAL);
  if ((a->stack == 0) != (a->stack_size == 0)) return sys_error(EINVAL);
  if (a->set_tid != 0 || a->set_tid_size != 0)
    return sys_error(a->set_tid == 0 || a->set_tid_size == 0 ? EINVAL : EPERM);
  return start(task, {.flags = a->flags,
                      .exit_signal = static_cast<int>(a->exit_signal),
                      .stack = a->stack + a->stack_size,
                      .tls = a->tls,
                      .parent_tid = Gva(a->parent_tid),
                      .child_tid = Gva(a->child_tid)});
}

}  // namespace

std::span<const SyscallEntry> clone_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_clone, sys_clone}, {SYS_fork, sys_fork}, {SYS_vfork, sys_vfork}, {SYS_clone3, sys_clone3}};
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

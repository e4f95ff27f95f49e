// futex for one thread: there is nobody who could wake it but time.
#include <linux/futex.h>
#include <sys/syscall.h>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/wait.hpp"

namespace faultline::vmm::linux_abi {
namespace {

SyscallValue wait_for_time(Task& task, std::optional<std::uint64_t> deadline) {
  switch (wait_slice(task, deadline)) {
    case WaitResult::kTimedOut: return sys_error(ETIMEDOUT);
    case WaitResult::kSignalled: return sys_error(kRestartSys);
    case WaitResult::kNotYet: break;
  }
  return sys_error(kRestartNoIntr);
}

// FUTEX_WAIT has a relative timeout, FUTEX_WAIT_BITSET an absolute one.
SyscallValue wait(Task& task, const SyscallArgs& args, int command, int clock) {
  const auto value = mmu::get_user<std::uint32_t>(task.mm(), args.gva(0));
  if (!value) return propagate(value);
  if (*value != args.u32(2)) return sys_error(EAGAIN);
  if (args[3] == 0) return wait_for_time(task, std::nullopt);
  const auto timeout = mmu::get_user<timespec>(task.mm(), args.gva(3));
  if (!timeout) return propagate(timeout);
  auto ns = nanoseconds(*timeout);
  if (!ns) return propagate(ns);
  if (command == FUTEX_WAIT_BITSET) {
    timespec now{};
    ::clock_gettime(clock, &now);
    const std::uint64_t current = nanoseconds(now).value_or(0);
    ns = *ns > current ? *ns - current : 0;
  }
  return wait_for_time(task, deadline_after(task, *ns));
}

SyscallValue sys_futex(Task& task, const SyscallArgs& args) {
  const int op = args.i32(1), command = op & FUTEX_CMD_MASK;
  const int clock = (op & FUTEX_CLOCK_REALTIME) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
  if (args[0] % sizeof(std::uint32_t) != 0) return sys_error(EINVAL);
  if (args[0] >= task.mm().task_size().raw()) return sys_error(EFAULT);
  switch (command) {
    case FUTEX_WAIT_BITSET:
      if (args.u32(5) == 0) return sys_error(EINVAL);
      [[fallthrough]];
    case FUTEX_WAIT: return wait(task, args, command, clock);
    case FUTEX_WAKE_BITSET:
      if (args.u32(5) == 0) return sys_error(EINVAL);
      [[fallthrough]];
    case FUTEX_WAKE:
    case FUTEX_REQUEUE: return 0;
    case FUTEX_CMP_REQUEUE: {
      const auto value = mmu::get_user<std::uint32_t>(task.mm(), args.gva(0));
      if (!value) return propagate(value);
      return *value == args.u32(5) ? SyscallValue(0) : SyscallValue(sys_error(EAGAIN));
    }
    default: return sys_error(ENOSYS);
  }
}

constexpr SyscallEntry kEntries[] = {{SYS_futex, sys_futex}};

}  // namespace

std::span<const SyscallEntry> futex_syscalls() { return kEntries; }

}  // namespace faultline::vmm::linux_abi

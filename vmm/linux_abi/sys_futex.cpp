// futex between the processes of the guest: waiting, waking, requeueing.
#include <linux/futex.h>
#include <sys/syscall.h>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/futex_key.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/wait.hpp"

namespace faultline::vmm::linux_abi {

FutexKey futex_key(const mmu::AddressSpace& mm, Gva address, FutexScope scope) {
  const mmu::Vma* vma = scope == FutexScope::kShared ? mm.vmas.find(address) : nullptr;
  if (vma == nullptr || !vma->contains(address) || !vma->file || !vma->flags.has(mmu::VmFlags::kShared))
    return {&mm, address.raw()};
  return {vma->file.get(), (vma->pgoff.raw() << kPageShift) + (address - vma->start)};
}

namespace {

FutexScope scope_of(int op) { return (op & FUTEX_PRIVATE_FLAG) != 0 ? FutexScope::kPrivate : FutexScope::kShared; }

// FUTEX_WAIT has a relative timeout, FUTEX_WAIT_BITSET an absolute one.
SysResult<std::optional<std::uint64_t>> deadline_of(Task& task, const SyscallArgs& args, int command, int clock) {
  if (args[3] == 0) return std::optional<std::uint64_t>();
  const auto timeout = mmu::get_user<timespec>(task.mm(), args.gva(3));
  if (!timeout) return tl::unexpected(timeout.error());
  auto ns = nanoseconds(*timeout);
  if (!ns) return tl::unexpected(ns.error());
  if (command == FUTEX_WAIT_BITSET) {
    timespec now{};
    ::clock_gettime(clock, &now);
    const std::uint64_t current = nanoseconds(now).value_or(0);
    ns = *ns > current ? *ns - current : 0;
  }
  return std::optional(deadline_after(task, *ns));
}

SyscallValue wait(Task& task, const SyscallArgs& args, int command, int clock, std::uint32_t bits) {
  WaitState& state = task.wait_state();
  if (state.futex_woken) return 0;
  const auto deadline = deadline_of(task, args, command, clock);
  if (!deadline) return propagate(deadline);
  if (!state.asleep) {
    const auto value = mmu::get_user<std::uint32_t>(task.mm(), args.gva(0));
    if (!value) return propagate(value);
    if (*value != args.u32(2)) return sys_error(EAGAIN);
    state.asleep = true;
  }
  switch (wait_until(task, *deadline)) {
    case WaitResult::kTimedOut: return sys_error(ETIMEDOUT);
    case WaitResult::kSignalled: state.asleep = false; return sys_error(*deadline ? kRestartNoHand : kRestartSys);
    case WaitResult::kNotYet: break;
  }
  if (!state.futex_moved) state.futex = futex_key(task.mm(), args.gva(0), scope_of(args.i32(1)));
  state.futex_bits = bits;
  return sys_error(kBlocked);
}

SyscallValue requeue(Task& task, const SyscallArgs& args, bool compares) {
  if (args.i32(2) < 0 || args.i32(3) < 0) return sys_error(EINVAL);
  if (args[4] % sizeof(std::uint32_t) != 0) return sys_error(EINVAL);
  if (compares) {
    const auto value = mmu::get_user<std::uint32_t>(task.mm(), args.gva(0));
    if (!value) return propagate(value);
    if (*value != args.u32(5)) return sys_error(EAGAIN);
  }
  ProcessTable& processes = task.processes();
  const FutexKey from = futex_key(task.mm(), args.gva(0), scope_of(args.i32(1)));
  const FutexKey to = futex_key(task.mm(), args.gva(4), scope_of(args.i32(1)));
  const unsigned woken = processes.wake_futex(from, args.u32(2), ~0U);
  const unsigned moved = processes.requeue_futex(from, to, args.u32(3));
  return compares ? woken + moved : woken;
}

SyscallValue sys_futex(Task& task, const SyscallArgs& args) {
  const int op = args.i32(1), command = op & FUTEX_CMD_MASK;
  const int clock = (op & FUTEX_CLOCK_REALTIME) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
  if (args[0] % sizeof(std::uint32_t) != 0) return sys_error(EINVAL);
  if (args[0] >= task.mm().task_size().raw()) return sys_error(EFAULT);
  const bool by_bits = command == FUTEX_WAIT_BITSET || command == FUTEX_WAKE_BITSET;
  const std::uint32_t bits = by_bits ? args.u32(5) : ~0U;
  if (bits == 0) return sys_error(EINVAL);
  switch (command) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: return wait(task, args, command, clock, bits);
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
      // Zero wakes one, as it always has.
      return task.processes().wake_futex(futex_key(task.mm(), args.gva(0), scope_of(op)), std::max(args.u32(2), 1U),
                                         bits);
    case FUTEX_REQUEUE: return requeue(task, args, false);
    case FUTEX_CMP_REQUEUE: return requeue(task, args, true);
    default: return sys_error(ENOSYS);
  }
}

}  // namespace

std::span<const SyscallEntry> futex_syscalls() {
  static constexpr SyscallEntry kEntries[] = {{SYS_futex, sys_futex}};
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

// alarm and the timer of real time (Linux kernel/time/itimer.c).
#include <sys/syscall.h>
#include <sys/time.h>

#include "vmm/host/clock.hpp"
#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

struct KernelItimer {
  timeval interval, value;
};
static_assert(sizeof(KernelItimer) == 32);

timeval to_timeval(std::uint64_t ns) {
  return {static_cast<time_t>(ns / kNsPerSecond), static_cast<suseconds_t>(ns % kNsPerSecond / 1000)};
}

std::uint64_t left(const RealTimer& timer) {
  const std::uint64_t now = monotonic_ns();
  if (timer.due_ns == 0) return 0;
  return timer.due_ns > now ? timer.due_ns - now : 1000;  // set, and about to come
}

void arm(Task& task, std::uint64_t ns, std::uint64_t interval_ns) {
  task.real_timer = {ns != 0 ? monotonic_ns() + ns : 0, interval_ns};
  task.processes().timers_set |= ns != 0;
}

// EINVAL: negative, or not normalised.
SysResult<std::uint64_t> to_ns(const timeval& t) {
  constexpr std::uint64_t kMaxSeconds = ~0ULL / kNsPerSecond / 4;
  if (t.tv_sec < 0 || t.tv_usec < 0 || t.tv_usec >= 1'000'000) return sys_error(EINVAL);
  return std::min(static_cast<std::uint64_t>(t.tv_sec), kMaxSeconds) * kNsPerSecond +
         static_cast<std::uint64_t>(t.tv_usec) * 1000;
}

SyscallValue sys_alarm(Task& task, const SyscallArgs& args) {
  const std::uint64_t before = left(task.real_timer);
  arm(task, args.u32(0) * kNsPerSecond, 0);
  // Linux alarm_setitimer: rounded, but never to 0.
  const std::uint64_t seconds = (before + kNsPerSecond / 2) / kNsPerSecond;
  return before != 0 ? std::max<std::uint64_t>(seconds, 1) : 0;
}

KernelItimer current(const Task& task) {
  return {to_timeval(task.real_timer.interval_ns), to_timeval(left(task.real_timer))};
}

SyscallValue sys_getitimer(Task& task, const SyscallArgs& args) {
  if (args.i32(0) != ITIMER_REAL) return sys_error(EINVAL);
  return put(task, args.gva(1), current(task));
}

SyscallValue sys_setitimer(Task& task, const SyscallArgs& args) {
  KernelItimer wanted{};
  if (args[1] != 0) {
    const auto read = mmu::get_user<KernelItimer>(task.mm(), args.gva(1));
    if (!read) return propagate(read);
    wanted = *read;
  }
  const auto value = to_ns(wanted.value), interval = to_ns(wanted.interval);
  if (!value || !interval || args.i32(0) != ITIMER_REAL) return sys_error(EINVAL);
  const KernelItimer before = current(task);
  arm(task, *value, *value != 0 ? *interval : 0);
  return args[2] != 0 ? put(task, args.gva(2), before) : SyscallValue(0);
}

}  // namespace

std::span<const SyscallEntry> timer_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_getitimer, sys_getitimer}, {SYS_alarm, sys_alarm}, {SYS_setitimer, sys_setitimer}};
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

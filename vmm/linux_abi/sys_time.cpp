// Clocks and sleeping.
#include <sys/syscall.h>
#include <sys/time.h>

#include <ctime>

#include "vmm/host/clock.hpp"
#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/wait.hpp"

namespace faultline::vmm::linux_abi {
namespace {

// The clocks of the system; those of other processes and of devices have negative numbers.
bool known_clock(int clock) { return clock >= 0 && clock <= CLOCK_TAI; }

SyscallValue sys_clock_gettime(Task& task, const SyscallArgs& args) {
  if (!known_clock(args.i32(0))) return sys_error(EINVAL);
  timespec now{};
  if (args.i32(0) == CLOCK_PROCESS_CPUTIME_ID || args.i32(0) == CLOCK_THREAD_CPUTIME_ID) {
    const std::uint64_t used = task.user_ns + task.system_ns;
    now = {static_cast<time_t>(used / 1'000'000'000), static_cast<long>(used % 1'000'000'000)};
  } else if (::clock_gettime(args.i32(0), &now) != 0) {
    return sys_error(errno);
  }
  return put(task, args.gva(1), now);
}

SyscallValue sys_clock_getres(Task& task, const SyscallArgs& args) {
  if (!known_clock(args.i32(0))) return sys_error(EINVAL);
  timespec resolution{};
  if (::clock_getres(args.i32(0), &resolution) != 0) return sys_error(errno);
  return args[1] != 0 ? put(task, args.gva(1), resolution) : SyscallValue(0);
}

SyscallValue sys_gettimeofday(Task& task, const SyscallArgs& args) {
  timeval now{};
  struct timezone zone {};
  if (::syscall(SYS_gettimeofday, &now, &zone) != 0) return sys_error(errno);
  if (args[0] != 0) {
    if (auto written = put(task, args.gva(0), now); !written) return written;
  }
  return args[1] != 0 ? put(task, args.gva(1), zone) : SyscallValue(0);
}

SyscallValue sys_time(Task& task, const SyscallArgs& args) {
  const time_t now = ::time(nullptr);
  if (args[0] != 0) {
    if (auto written = put(task, args.gva(0), now); !written) return written;
  }
  return static_cast<std::uint64_t>(now);
}

SyscallValue sleep_until(Task& task, std::uint64_t deadline, std::optional<Gva> remaining) {
  switch (wait_until(task, deadline)) {
    case WaitResult::kTimedOut: return 0;
    case WaitResult::kNotYet: return sys_error(kBlocked);
    case WaitResult::kSignalled: break;
  }
  const std::uint64_t now = monotonic_ns();
  const std::uint64_t left = deadline > now ? deadline - now : 0;
  if (left == 0) return 0;
  const timespec rest{static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
  if (remaining) {
    if (auto written = put(task, *remaining, rest); !written) return written;
  }
  return sys_error(kRestartNoHand);
}

SyscallValue sleep_for(Task& task, Gva request, Gva remaining) {
  const auto wanted = mmu::get_user<timespec>(task.mm(), request);
  if (!wanted) return propagate(wanted);
  const auto ns = nanoseconds(*wanted);
  if (!ns) return propagate(ns);
  const auto rest = remaining == Gva(0) ? std::nullopt : std::optional(remaining);
  return sleep_until(task, deadline_after(task, *ns), rest);
}

SyscallValue sys_nanosleep(Task& task, const SyscallArgs& args) { return sleep_for(task, args.gva(0), args.gva(1)); }

SyscallValue sys_clock_nanosleep(Task& task, const SyscallArgs& args) {
  const int clock = args.i32(0);
  if (!known_clock(clock) || clock == CLOCK_THREAD_CPUTIME_ID) return sys_error(EINVAL);
  if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME && clock != CLOCK_TAI)
    return sys_error(EOPNOTSUPP);
  if ((args.i32(1) & TIMER_ABSTIME) == 0) return sleep_for(task, args.gva(2), args.gva(3));
  const auto at = mmu::get_user<timespec>(task.mm(), args.gva(2));
  if (!at) return propagate(at);
  const auto target = nanoseconds(*at);
  if (!target) return propagate(target);
  timespec now{};
  ::clock_gettime(clock, &now);
  const std::uint64_t current = nanoseconds(now).value_or(0);
  return sleep_until(task, deadline_after(task, *target > current ? *target - current : 0), std::nullopt);
}

}  // namespace

std::span<const SyscallEntry> time_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_nanosleep, sys_nanosleep},
      {SYS_gettimeofday, sys_gettimeofday},
      {SYS_time, sys_time},
      {SYS_clock_gettime, sys_clock_gettime},
      {SYS_clock_getres, sys_clock_getres},
      {SYS_clock_nanosleep, sys_clock_nanosleep},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

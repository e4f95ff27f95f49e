// Resource limits and use.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>

#include <algorithm>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi {
namespace {

static_assert(sizeof(rlimit) == 16);

SyscallValue set_limit(Task& task, unsigned resource, const rlimit& wanted) {
  constexpr rlim_t kMaxDescriptors = 1U << 20;  // fs.nr_open's default
  rlimit& now = task.limits[resource];
  if (wanted.rlim_cur > wanted.rlim_max) return sys_error(EINVAL);
  if (resource == RLIMIT_NOFILE && wanted.rlim_max > kMaxDescriptors) return sys_error(EPERM);
  if (wanted.rlim_max > now.rlim_max && task.config().euid != 0) return sys_error(EPERM);
  now = wanted;
  task.apply_memory_limits();
  if (resource == RLIMIT_NOFILE) task.files().set_limit(static_cast<int>(wanted.rlim_cur));
  return 0;
}

SyscallValue sys_prlimit64(Task& task, const SyscallArgs& args) {
  Task* of = args.i32(0) == 0 ? &task : task.processes().find(args.i32(0));
  if (of == nullptr || of->exit_status()) return sys_error(ESRCH);
  const unsigned resource = args.u32(1);
  if (resource >= RLIM_NLIMITS) return sys_error(EINVAL);
  const rlimit before = of->limits[resource];
  if (args[2] != 0) {
    const auto wanted = mmu::get_user<rlimit>(task.mm(), args.gva(2));
    if (!wanted) return propagate(wanted);
    if (auto set = set_limit(*of, resource, *wanted); !set) return set;
  }
  return args[3] != 0 ? put(task, args.gva(3), before) : SyscallValue(0);
}

SyscallValue sys_getrlimit(Task& task, const SyscallArgs& args) {
  if (args.u32(0) >= RLIM_NLIMITS) return sys_error(EINVAL);
  return put(task, args.gva(1), task.limits[args.u32(0)]);
}

SyscallValue sys_setrlimit(Task& task, const SyscallArgs& args) {
  if (args.u32(0) >= RLIM_NLIMITS) return sys_error(EINVAL);
  const auto wanted = mmu::get_user<rlimit>(task.mm(), args.gva(1));
  return wanted ? set_limit(task, args.u32(0), *wanted) : propagate(wanted);
}

timeval to_timeval(std::uint64_t ns) {
  return {static_cast<time_t>(ns / 1'000'000'000), static_cast<suseconds_t>(ns % 1'000'000'000 / 1000)};
}
clock_t to_ticks(std::uint64_t ns) { return static_cast<clock_t>(ns / 10'000'000); }

}  // namespace

rusage to_rusage(const ResourceUse& use) {
  rusage r{};
  r.ru_utime = to_timeval(use.user_ns);
  r.ru_stime = to_timeval(use.system_ns);
  r.ru_minflt = static_cast<long>(use.minor);
  r.ru_majflt = static_cast<long>(use.major);
  r.ru_maxrss = static_cast<long>(use.max_rss_kib);
  return r;
}

namespace {

SyscallValue sys_getrusage(Task& task, const SyscallArgs& args) {
  const int who = args.i32(0);
  if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD) return sys_error(EINVAL);
  return put(task, args.gva(1), to_rusage(who == RUSAGE_CHILDREN ? task.children_use : task.resource_use()));
}

SyscallValue sys_times(Task& task, const SyscallArgs& args) {
  tms t{};
  const clock_t now = ::times(&t);
  t = {.tms_utime = to_ticks(task.user_ns),
       .tms_stime = to_ticks(task.system_ns),
       .tms_cutime = to_ticks(task.children_use.user_ns),
       .tms_cstime = to_ticks(task.children_use.system_ns)};
  if (args[0] != 0) {
    if (auto written = put(task, args.gva(0), t); !written) return written;
  }
  return static_cast<std::uint64_t>(now);
}

}  // namespace

std::span<const SyscallEntry> limit_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_getrlimit, sys_getrlimit}, {SYS_getrusage, sys_getrusage}, {SYS_times, sys_times},
      {SYS_setrlimit, sys_setrlimit}, {SYS_prlimit64, sys_prlimit64},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

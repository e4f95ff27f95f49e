// Resource limits and use.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>

#include <algorithm>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi {
namespace {

static_assert(sizeof(rlimit) == 16);

// What a new soft limit changes beyond the number itself.
void apply(Task& task, unsigned resource, std::uint64_t soft) {
  mmu::Limits& limits = task.mm().limits;
  switch (resource) {
    case RLIMIT_AS: limits.address_space = soft; break;
    case RLIMIT_DATA: limits.data = soft; break;
    case RLIMIT_STACK: limits.stack = soft; break;
    case RLIMIT_MEMLOCK: limits.memlock = soft; break;
    case RLIMIT_NOFILE: task.files().set_limit(static_cast<int>(soft)); break;
    default: break;
  }
}

SyscallValue set_limit(Task& task, unsigned resource, const rlimit& wanted) {
  constexpr rlim_t kMaxDescriptors = 1U << 20;  // fs.nr_open's default
  rlimit& now = task.limits[resource];
  if (wanted.rlim_cur > wanted.rlim_max) return sys_error(EINVAL);
  if (resource == RLIMIT_NOFILE && wanted.rlim_max > kMaxDescriptors) return sys_error(EPERM);
  if (wanted.rlim_max > now.rlim_max && task.config().euid != 0) return sys_error(EPERM);
  now = wanted;
  apply(task, resource, wanted.rlim_cur);
  return 0;
}

SyscallValue sys_prlimit64(Task& task, const SyscallArgs& args) {
  if (args.i32(0) != 0 && args.i32(0) != task.config().pid) return sys_error(ESRCH);
  const unsigned resource = args.u32(1);
  if (resource >= RLIM_NLIMITS) return sys_error(EINVAL);
  const rlimit before = task.limits[resource];
  if (args[2] != 0) {
    const auto wanted = mmu::get_user<rlimit>(task.mm(), args.gva(2));
    if (!wanted) return propagate(wanted);
    if (auto set = set_limit(task, resource, *wanted); !set) return set;
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

// Times are the harness's; faults and memory are the guest's.
SyscallValue sys_getrusage(Task& task, const SyscallArgs& args) {
  const int who = args.i32(0);
  if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD) return sys_error(EINVAL);
  rusage usage{};
  if (who != RUSAGE_CHILDREN) {
    rusage host{};
    if (::getrusage(RUSAGE_SELF, &host) != 0) return sys_error(errno);
    usage.ru_utime = host.ru_utime;
    usage.ru_stime = host.ru_stime;
    usage.ru_minflt = static_cast<long>(task.mm().counters.minor);
    usage.ru_majflt = static_cast<long>(task.mm().counters.major);
    const std::uint64_t peak = std::max(task.mm().rss.high_water, task.mm().rss.total());
    usage.ru_maxrss = static_cast<long>(peak * (kPageSize / 1024));
  }
  return put(task, args.gva(1), usage);
}

SyscallValue sys_times(Task& task, const SyscallArgs& args) {
  tms t{};
  const clock_t now = ::times(&t);
  t.tms_cutime = t.tms_cstime = 0;
  if (args[0] != 0) {
    if (auto written = put(task, args.gva(0), t); !written) return written;
  }
  return static_cast<std::uint64_t>(now);
}

constexpr SyscallEntry kEntries[] = {
    {SYS_getrlimit, sys_getrlimit}, {SYS_getrusage, sys_getrusage}, {SYS_times, sys_times},
    {SYS_setrlimit, sys_setrlimit}, {SYS_prlimit64, sys_prlimit64},
};

}  // namespace

std::span<const SyscallEntry> limit_syscalls() { return kEntries; }

}  // namespace faultline::vmm::linux_abi

// /proc/PID/stat and statm. Follows do_task_stat and proc_pid_statm (fs/proc/array.c).
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/times.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "vmm/linux_abi/proc/process_text.hpp"

namespace faultline::vmm::linux_abi::proc {

std::string stat_text(Task& task) {
  const mmu::AddressSpace& mm = task.mm();
  const mmu::ProgramLayout& p = mm.program;
  const SignalSets sets = signal_sets(task);
  constexpr std::uint64_t kLowSignals = 0x7fffffff;  // these fields have 31 bits
  tms times{};
  ::times(&times);
  // One list for all, negative numbers in two's complement but where they are printed below.
  const std::vector<std::uint64_t> from_flags = {0x400000,  // PF_RANDOMIZE
                                                 mm.counters.minor,
                                                 0,
                                                 mm.counters.major,
                                                 0,
                                                 static_cast<std::uint64_t>(times.tms_utime),
                                                 static_cast<std::uint64_t>(times.tms_stime),
                                                 0,
                                                 0,
                                                 20,
                                                 0,  // priority, nice
                                                 1,
                                                 0,
                                                 0,  // threads, itrealvalue, start time
                                                 mm.total_vm * kPageSize,
                                                 mm.rss.total(),
                                                 task.limits[RLIMIT_RSS].rlim_cur,
                                                 p.start_code.raw(),
                                                 p.end_code.raw(),
                                                 p.start_stack.raw(),
                                                 0,
                                                 0,
                                                 sets.pending & kLowSignals,
                                                 sets.blocked & kLowSignals,
                                                 sets.ignored & kLowSignals,
                                                 sets.caught & kLowSignals,
                                                 0,
                                                 0,
                                                 0,  // wchan, two zeroes
                                                 SIGCHLD,
                                                 0,
                                                 0,
                                                 0,  // exit signal, processor, realtime priority, policy
                                                 0,
                                                 0,
                                                 0,  // delays, guest time, guest time of children
                                                 p.start_data.raw(),
                                                 p.end_data.raw(),
                                                 mm.start_brk.raw(),
                                                 p.arg_start.raw(),
                                                 p.arg_end.raw(),
                                                 p.env_start.raw(),
                                                 p.env_end.raw(),
                                                 0};
  const char state = task.stopped() ? 'T' : task.blocked() ? 'S' : 'R';
  return fmt::format("{} ({}) {} {} {} {} 0 -1 {}\n", task.pid(), task.name, state, task.parent_pid(), task.kin.group,
                     task.kin.session, fmt::join(from_flags, " "));
}

std::string statm_text(Task& task) {
  const MemoryUse use = memory_use(task.mm());
  return fmt::format("{} {} {} {} 0 {} 0\n", use.size, use.resident, use.file + use.shmem, use.text,
                     use.data + use.stack);
}

}  // namespace faultline::vmm::linux_abi::proc

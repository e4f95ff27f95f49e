// /proc/stat, uptime, loadavg, cpuinfo, swaps and /proc/sys/vm.
#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <sys/times.h>

#include <ctime>
#include <fstream>

#include "vmm/linux_abi/proc/processes.hpp"
#include "vmm/linux_abi/proc/system_text.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

double boot_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_BOOTTIME, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

// Since the guest began, in clock ticks: what it used, as times(2) tells it, and the rest.
struct CpuTicks {
  long user = 0, system = 0, idle = 0;
};
CpuTicks cpu_ticks() {
  tms t{};
  ::times(&t);
  const long all = static_cast<long>(boot_seconds() * 100);
  return {t.tms_utime, t.tms_stime, std::max(all - t.tms_utime - t.tms_stime, 0L)};
}

}  // namespace

// One processor; of the rest of the machine nothing is known here.
std::string system_stat_text(Task& reader) {
  const CpuTicks t = cpu_ticks();
  const std::string ticks = fmt::format("{} 0 {} {} 0 0 0 0 0 0", t.user, t.system, t.idle);
  const auto now = static_cast<double>(::time(nullptr));
  const auto processes = process_ids(reader);
  return fmt::format(
      "cpu  {0}\ncpu0 {0}\nintr 0\nctxt 0\nbtime {1:.0f}\nprocesses {2}\nprocs_running 1\n"
      "procs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
      ticks, now - boot_seconds(), processes.size());
}

std::string uptime_text(Task&) {
  return fmt::format("{:.2f} {:.2f}\n", boot_seconds(), static_cast<double>(cpu_ticks().idle) / 100);
}

// Loads are the host's, as sysinfo(2) tells them; processes are the guest's.
std::string loadavg_text(Task& reader) {
  struct sysinfo info {};
  ::sysinfo(&info);
  const auto load = [&](int i) { return static_cast<double>(info.loads[i]) / (1 << SI_LOAD_SHIFT); };
  const auto processes = process_ids(reader);
  return fmt::format("{:.2f} {:.2f} {:.2f} 1/{} {}\n", load(0), load(1), load(2), processes.size(),
                     processes.empty() ? 0 : processes.back());
}

// The host's first processor: what the guest runs on, and all that it has.
std::string cpuinfo_text(Task&) {
  std::ifstream host("/proc/cpuinfo");
  std::string text;
  for (std::string line; std::getline(host, line) && !line.empty();) {
    if (line.starts_with("siblings")) line = "siblings\t: 1";
    if (line.starts_with("cpu cores")) line = "cpu cores\t: 1";
    (text += line) += '\n';
  }
  return text + "\n";
}

std::string swaps_text(Task&) { return "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"; }

std::string overcommit_memory_text(Task& reader) {
  return fmt::format("{}\n", static_cast<int>(reader.mm().limits.overcommit));
}
std::string max_map_count_text(Task& reader) { return fmt::format("{}\n", reader.mm().limits.max_map_count); }
std::string nr_hugepages_text(Task&) { return "0\n"; }

}  // namespace faultline::vmm::linux_abi::proc

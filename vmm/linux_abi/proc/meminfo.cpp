// /proc/meminfo and vmstat: the lines of the kernel underneath, with the guest's figures. What
// the guest has none of is 0.
#include <fmt/format.h>

#include <fstream>
#include <map>

#include "vmm/linux_abi/proc/processes.hpp"
#include "vmm/linux_abi/proc/system_text.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

using Figures = std::map<std::string, std::uint64_t, std::less<>>;

Figures memory_figures(const SystemMemory& m) {
  constexpr std::uint64_t kKb = kPageSize / 1024;
  const std::uint64_t file_pages = m.cached - m.shmem;
  return {{"MemTotal", m.total * kKb},
          {"MemFree", m.free * kKb},
          {"MemAvailable", (m.free + file_pages) * kKb},
          {"Cached", m.cached * kKb},
          {"Active", m.anon * kKb},
          {"Inactive", file_pages * kKb},
          {"Active(anon)", m.anon * kKb},
          {"Inactive(file)", file_pages * kKb},
          {"Mlocked", m.locked * kKb},
          {"Unevictable", m.locked * kKb},
          {"AnonPages", m.anon * kKb},
          {"Mapped", m.mapped * kKb},
          {"Shmem", m.shmem * kKb},
          {"PageTables", m.tables * kKb},
          {"CommitLimit", m.total / 2 * kKb},
          {"Committed_AS", m.committed * kKb},
          {"VmallocTotal", 34359738367},
          {"Hugepagesize", 2048},
          {"DirectMap4k", m.total * kKb}};
}

Figures event_figures(Task& reader, const SystemMemory& m) {
  std::uint64_t faults = 0, major = 0;
  for (const int pid : process_ids(reader)) {
    if (Task* task = find_process(reader, pid)) {
      faults += task->mm().counters.vm_faults;
      major += task->mm().counters.vm_major;
    }
  }
  return {{"nr_free_pages", m.free},
          {"nr_anon_pages", m.anon},
          {"nr_mapped", m.mapped},
          {"nr_file_pages", m.cached},
          {"nr_shmem", m.shmem},
          {"nr_mlock", m.locked},
          {"nr_active_anon", m.anon},
          {"nr_inactive_file", m.cached - m.shmem},
          {"nr_page_table_pages", m.tables},
          {"pgfault", faults},
          {"pgmajfault", major}};
}

std::uint64_t figure(const Figures& figures, std::string_view name) {
  const auto found = figures.find(name);
  return found == figures.end() ? 0 : found->second;
}

}  // namespace

std::string meminfo_text(Task& reader) {
  const Figures figures = memory_figures(system_memory(reader));
  std::ifstream host("/proc/meminfo");
  std::string text;
  for (std::string line; std::getline(host, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string name = line.substr(0, colon);
    text += fmt::format("{:<16}{:>8}{}\n", name + ":", figure(figures, name), line.ends_with(" kB") ? " kB" : "");
  }
  return text;
}

std::string vmstat_text(Task& reader) {
  const Figures figures = event_figures(reader, system_memory(reader));
  std::ifstream host("/proc/vmstat");
  std::string text;
  for (std::string line; std::getline(host, line);) {
    const std::string name = line.substr(0, line.find(' '));
    text += fmt::format("{} {}\n", name, figure(figures, name));
  }
  return text;
}

}  // namespace faultline::vmm::linux_abi::proc

// The text files of /proc itself: the guest's memory and processor, not the host's.
#pragma once

#include <string>

#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi::proc {

std::string meminfo_text(Task& reader);
std::string vmstat_text(Task& reader);
std::string system_stat_text(Task& reader);
std::string uptime_text(Task& reader);
std::string loadavg_text(Task& reader);
std::string cpuinfo_text(Task& reader);
std::string swaps_text(Task& reader);

// /proc/sys/vm
std::string overcommit_memory_text(Task& reader);
std::string max_map_count_text(Task& reader);
std::string nr_hugepages_text(Task& reader);

// Pages of guest memory by use.
struct SystemMemory {
  std::uint64_t total = 0, free = 0, tables = 0;
  std::uint64_t cached = 0, shmem = 0, dirty = 0, anon = 0, mapped = 0, locked = 0;
  std::uint64_t committed = 0;
};
SystemMemory system_memory(Task& reader);

}  // namespace faultline::vmm::linux_abi::proc

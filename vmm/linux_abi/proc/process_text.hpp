// The text files of /proc/PID, each from the task and its address space.
#pragma once

#include <string>

#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi::proc {

// status.cpp
std::string status_text(Task& task);
// stat.cpp
std::string stat_text(Task& task);
std::string statm_text(Task& task);
// arguments.cpp: strings as they are in the process's memory now
std::string cmdline_text(Task& task);
std::string environ_text(Task& task);
std::string auxv_bytes(Task& task);
// limits.cpp
std::string limits_text(Task& task);
// small_files.cpp
std::string comm_text(Task& task);
std::string oom_score_text(Task& task);
std::string oom_adj_text(Task& task);
std::string personality_text(Task& task);
std::string wchan_text(Task& task);
std::string schedstat_text(Task& task);
std::string io_text(Task& task);
std::string loginuid_text(Task& task);

// What several of them tell: pages, of whole VMAs or of tables.
struct MemoryUse {
  std::uint64_t size = 0, peak = 0, resident = 0, peak_resident = 0;
  std::uint64_t anon = 0, file = 0, shmem = 0, swap = 0;
  std::uint64_t text = 0, libraries = 0;  // executable mappings: the program's and others
  std::uint64_t data = 0, stack = 0, locked = 0;
};
MemoryUse memory_use(const mmu::AddressSpace& mm);

// Signals that a task ignores and catches, as bit sets.
struct SignalSets {
  std::uint64_t pending = 0, blocked = 0, ignored = 0, caught = 0;
};
SignalSets signal_sets(const Task& task);

}  // namespace faultline::vmm::linux_abi::proc

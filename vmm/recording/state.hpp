// The machine as it was at one moment of a recording: VMAs, page tables, frames. Built from the
// events up to it. A and D of entries are those that the host wrote or read last: what the CPU
// sets in between is seen with the next edit of the entry.
#pragma once

#include <map>
#include <unordered_map>

#include "vmm/recording/reader.hpp"

namespace faultline::vmm::recording {

struct TableEntry {
  Gva address;  // first address that it translates
  mmu::Level level = 0;
  mmu::Pte entry;
};

using TableEntries = std::unordered_map<std::uint64_t, TableEntry>;  // by Gpa of the entry

struct ProcessState {
  std::uint32_t process = 0, parent = 0;
  std::string program;
  Gpa root;
  std::optional<int> status;    // it ended
  std::map<Gva, VmaInfo> vmas;  // by start
  TableEntries entries;         // of the user half, all that are not zero
  bool memory_gone = false;     // it ended, and was not the first process
  Counters counters;
  std::uint64_t faults = 0, syscalls = 0;
};

struct MachineState {
  std::uint64_t event = 0, time_ns = 0;
  std::uint32_t running = 0;  // the process that has the vCPU
  std::map<std::uint32_t, ProcessState> processes;
  std::unordered_map<std::uint64_t, TableEntries> unowned;  // by root: tables of a program being loaded, or left

  // Takes one more event into account.
  void apply(const Event& event);
  // The walk of one address through the tables as they were.
  [[nodiscard]] mmu::Walk walk(std::uint32_t process, Gva address, mmu::PagingMode mode) const;
};

// The state after event `number`. Error: no such event, or a ring that no longer has what it takes.
// Moves the reader.
Result<MachineState> state_at(Reader& reader, std::uint64_t number);

}  // namespace faultline::vmm::recording

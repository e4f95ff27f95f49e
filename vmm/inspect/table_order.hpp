// The entries of a process's tables in the order of a walk through them: by address, a table before
// what it holds. Internal to the views of a state.
#pragma once

#include <cstdint>
#include <vector>

#include "vmm/recording/state.hpp"

namespace faultline::vmm::inspect {

class TableOrder {
 public:
  // The process must outlive it.
  explicit TableOrder(const recording::ProcessState& process);

  struct Entry {
    std::uint64_t slot;  // guest-physical address
    const recording::TableEntry* entry;
  };
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  // Behind the last address that the entry translates; 2^64 - 1 where that is not a number.
  [[nodiscard]] static Gva end_of(const recording::TableEntry& entry);
  // Pages of 4 KiB in the range that have memory, accessible or not.
  [[nodiscard]] std::uint64_t mapped_pages(Gva start, Gva end) const;

 private:
  std::vector<Entry> entries_;
};

}  // namespace faultline::vmm::inspect

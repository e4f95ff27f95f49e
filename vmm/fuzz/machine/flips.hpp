// Corruption of page tables: bits of entries toggled behind mmu's back, and put right again before
// mmu works on the tables for anything but a fault.
#pragma once

#include <optional>
#include <vector>

#include "vmm/fuzz/machine/processor.hpp"

namespace faultline::vmm::fuzz {

class Flips {
 public:
  // Toggles `bit` of the entry of `level` for `address`. Nothing: there is no such entry. One that
  // is not present counts only if a flip made it so: what else mmu keeps there is no translation.
  std::optional<FlippedEntry> flip(mmu::AddressSpace& mm, Gva address, mmu::Level level, unsigned bit);
  // Bits that still are as a flip left them become what they were. An entry that a fault replaced
  // stays: it is mmu's own. Dirty stays only where the entry allows stores then.
  // Precondition: the address spaces are there. Whoever calls drops what processors have cached.
  void undo();
  [[nodiscard]] bool any() const { return !entries_.empty(); }

 private:
  struct Entry {
    mmu::PhysMemory memory;
    FlippedEntry first;      // as it was before the first flip
    std::uint64_t bits = 0;  // toggled an odd number of times
  };
  std::vector<Entry> entries_;
};

}  // namespace faultline::vmm::fuzz

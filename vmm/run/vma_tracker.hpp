// What a recording knows of the VMAs of each address space, and what became of them since.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "mmu/space/address_space.hpp"
#include "vmm/record/fault_record.hpp"

namespace faultline::vmm {

class VmaTracker {
 public:
  struct Difference {
    std::vector<Gva> removed;
    std::vector<VmaInfo> added;
    Gva start, end;  // all of it lies in here
    [[nodiscard]] bool empty() const { return removed.empty() && added.empty(); }
  };
  // What changed in `mm` since the last call for it, which for one not seen before is everything.
  Difference update(const mmu::AddressSpace& mm);
  // The address space with that root is gone; what it had.
  std::vector<Gva> forget(Gpa root);
  // All that is known of it.
  [[nodiscard]] std::vector<VmaInfo> all(Gpa root) const;

 private:
  using Vmas = std::map<Gva, VmaInfo>;
  std::map<Gpa, Vmas> spaces_;  // by root
};

}  // namespace faultline::vmm

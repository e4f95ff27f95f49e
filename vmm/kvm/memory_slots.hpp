// KVM's view of guest RAM. KVM allocates bookkeeping for every page of a slot (10 bytes a page
// under shadow paging), so slots are added as the guest's memory comes into use, each about as
// large as all before it: a 64 GiB guest costs no more to create than a small one.
#pragma once

#include <cstdint>

#include "vmm/kvm/system.hpp"
#include "vmm/ram/guest_ram.hpp"

namespace faultline::vmm::kvm {

class MemorySlots {
 public:
  // Both must outlive this.
  MemorySlots(const VmFd& vm, const GuestRam& ram) : vm_(vm), ram_(ram) {}

  // Makes [0, end) available to the guest (and most likely more than that).
  Result<void> extend(Gfn end);
  [[nodiscard]] Gpa covered() const { return Gpa(covered_); }

  // Adds the dummy slot if need be, deletes it, and adds it again: KVM then drops every shadow
  // page of the machine.
  Result<void> cycle_dummy();

 private:
  Result<void> prepare_dummy();
  const VmFd& vm_;
  const GuestRam& ram_;
  std::uint64_t covered_ = 0;
  std::uint32_t next_slot_ = 1;
  Mapping dummy_;  // slot 0, one page right behind the end of RAM
};

}  // namespace faultline::vmm::kvm

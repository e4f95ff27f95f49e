// KVM's view of guest RAM. KVM allocates bookkeeping for every page of a slot (10 bytes a page
// under shadow paging), so slots are added as the guest's memory comes into use, each about as
// large as all before it: a 64 GiB guest costs no more to create than a small one.
#pragma once

#include <cstdint>
#include <vector>

#include "vmm/kvm/dirty_ring.hpp"
#include "vmm/ram/guest_ram.hpp"

namespace faultline::vmm::kvm {

class MemorySlots {
 public:
  // Both must outlive this.
  MemorySlots(const VmFd& vm, const GuestRam& ram) : vm_(vm), ram_(ram) {}

  // Makes [0, end) available to the guest (and most likely more than that).
  Result<void> extend(Gfn end);
  [[nodiscard]] Gpa covered() const { return Gpa(covered_); }

  // Whether KVM notes the pages that the guest writes to (KVM_MEM_LOG_DIRTY_PAGES); take_dirty()
  // appends those noted since the last call: from the rings that there are, or else from the log.
  Result<void> log_dirty(bool on);
  Result<void> take_dirty(std::vector<Gfn>& frames);
  void add_ring(DirtyRing ring) { rings_.push_back(std::move(ring)); }

  // Adds the dummy slot if need be, deletes it, and adds it again: KVM then drops every shadow
  // page of the machine.
  Result<void> cycle_dummy();

 private:
  Result<void> prepare_dummy();
  Result<void> take_from_log(std::vector<Gfn>& frames);
  const VmFd& vm_;
  const GuestRam& ram_;
  struct Slot {
    std::uint64_t start, bytes;
  };
  [[nodiscard]] Result<void> set(std::size_t index) const;
  std::uint64_t covered_ = 0;
  std::vector<Slot> slots_;  // number 1 and up
  bool logging_ = false;
  std::vector<DirtyRing> rings_;
  std::vector<std::uint64_t> bitmap_;  // of the largest slot
  Mapping dummy_;                      // slot 0, one page right behind the end of RAM
};

}  // namespace faultline::vmm::kvm

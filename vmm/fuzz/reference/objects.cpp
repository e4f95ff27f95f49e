// What outlives one process's calls: objects that change their size, and forks.
#include <algorithm>
#include <map>

#include "vmm/fuzz/reference/calls.hpp"

namespace faultline::vmm::fuzz::reference {

// Bytes beyond the end that were written through a mapping stay in memory for a memfd that grows;
// ext4 clears them first.
void resize(Object& object, std::uint64_t size) {
  const bool clears = size <= object.size || object.file == FileOperand::kDisk;
  const std::uint64_t kept = std::min(size, object.size);
  object.size = size;
  if (!clears) return;
  object.pages.erase(object.pages.lower_bound(page_align(kept) >> kPageShift), object.pages.end());
  const auto last = object.pages.find(kept >> kPageShift);
  if (last != object.pages.end()) std::fill(last->second.begin() + (kept & kPageMask), last->second.end(), 0);
}

// Linux unmap_mapping_range with even_cows. Guards stay.
void drop_copies_beyond(Process& process, const Object& object) {
  for (auto& [number, page] : process.pages) {
    if (page.traits.object.get() == &object && !object.has(page.index)) page.own = nullptr;
  }
}

Process child_of(const Process& parent) {
  Process child;
  child.next_kin = parent.next_kin;
  std::map<Vpn, std::uint64_t> heirs;  // by first page of the parent's VMA: its kin in the child
  for (const auto& [number, original] : parent.pages) {
    if (original.traits.dont_fork) continue;
    Page page = original;
    page.traits.locked = page.traits.lock_on_fault = false;
    if (page.traits.wipe_on_fork) {
      page.own = nullptr;
      page.guard = false;
      page.kin = {};
    } else if (page.kin.id != 0) {
      const auto [heir, fresh] = heirs.try_emplace(area_of(parent.pages, number).first, child.next_kin);
      if (fresh) ++child.next_kin;
      page.kin = {heir->second, true};
    }
    child.pages.emplace(number, page);
    if (begins_area(parent.pages, number)) leave_seam(child.pages, number);
  }
  return child;
}

}  // namespace faultline::vmm::fuzz::reference

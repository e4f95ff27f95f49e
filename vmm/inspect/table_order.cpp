#include "vmm/inspect/table_order.hpp"

#include <algorithm>
#include <tuple>

namespace faultline::vmm::inspect {

TableOrder::TableOrder(const recording::ProcessState& process) {
  entries_.reserve(process.entries.size());
  for (const auto& [slot, entry] : process.entries) {
    if (entry.level == 0 || entry.level > mmu::kMaxLevel) continue;
    entries_.push_back({slot, &entry});
  }
  const auto order = [](const Entry& a, const Entry& b) {
    return std::tuple(a.entry->address, b.entry->level, a.slot) < std::tuple(b.entry->address, a.entry->level, b.slot);
  };
  std::ranges::sort(entries_, order);
}

Gva TableOrder::end_of(const recording::TableEntry& entry) {
  const auto end = entry.address.checked_add(mmu::level_span(entry.level));
  return end ? *end : Gva(~0ULL);
}

std::uint64_t TableOrder::mapped_pages(Gva start, Gva end) const {
  const auto before = [](const Entry& e, Gva address) { return e.entry->address < address; };
  auto at = std::lower_bound(entries_.begin(), entries_.end(), start, before);
  std::uint64_t pages = 0;
  for (; at != entries_.end() && at->entry->address < end; ++at)
    if (at->entry->entry.maps_frame(at->entry->level)) pages += mmu::level_span(at->entry->level) >> kPageShift;
  return pages;
}

}  // namespace faultline::vmm::inspect

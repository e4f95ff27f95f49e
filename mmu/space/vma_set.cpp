#include "mmu/space/vma_set.hpp"

#include <fmt/format.h>

#include <iterator>

namespace faultline::mmu {

VmaSet::const_iterator VmaSet::find_position(Gva va) const {
  const auto above = map_.upper_bound(va);
  if (above == map_.begin()) return above;
  const auto below = std::prev(above);
  return below->second.end > va ? below : above;
}

const Vma* VmaSet::find(Gva va) const {
  const auto it = find_position(va);
  return it == map_.end() ? nullptr : &it->second;
}

const Vma* VmaSet::lookup(Gva va) const {
  const Vma* vma = find(va);
  return vma != nullptr && vma->start <= va ? vma : nullptr;
}

Vma* VmaSet::find(Gva va) { return const_cast<Vma*>(std::as_const(*this).find(va)); }
Vma* VmaSet::lookup(Gva va) { return const_cast<Vma*>(std::as_const(*this).lookup(va)); }

Vma* VmaSet::previous(const Vma& vma) {
  const auto it = map_.find(vma.start);
  return it == map_.begin() ? nullptr : &std::prev(it)->second;
}

Vma* VmaSet::next(const Vma& vma) {
  const auto it = std::next(map_.find(vma.start));
  return it == map_.end() ? nullptr : &it->second;
}

Vma* VmaSet::first_in(Gva start, Gva end) {
  Vma* vma = find(start);
  return vma != nullptr && vma->start < end ? vma : nullptr;
}

Vma& VmaSet::insert(Vma vma) {
  FL_CHECK(vma.start < vma.end && first_in(vma.start, vma.end) == nullptr);
  const Gva start = vma.start;
  return map_.emplace(start, std::move(vma)).first->second;
}

void VmaSet::erase(const Vma& vma) {
  ++removals_;
  map_.erase(vma.start);
}

Vma& VmaSet::resize(Vma& vma, Gva start, Gva end) {
  FL_CHECK(start < end);
  if (start > vma.start || end < vma.end) ++removals_;
  if (start < vma.start) {
    vma.pgoff = vma.pgoff - (vma.start.page() - start.page());
  } else {
    vma.pgoff = vma.pgoff + (start.page() - vma.start.page());
  }
  vma.end = end;
  if (start == vma.start) return vma;
  // The node moves, the VMA in it does not: references stay valid.
  auto node = map_.extract(vma.start);
  node.key() = start;
  node.mapped().start = start;
  return map_.insert(std::move(node)).position->second;
}

Vma& VmaSet::split(Vma& vma, Gva at) {
  FL_CHECK(at.page_aligned() && vma.start < at && at < vma.end);
  Vma upper = vma;
  upper.start = at;
  upper.pgoff = vma.page_index(at);
  vma.end = at;
  return insert(std::move(upper));
}

std::optional<std::string> VmaSet::check_invariants() const {
  Gva previous_end(0);
  for (const auto& [start, vma] : map_) {
    if (start != vma.start) return fmt::format("VMA at {:#x} is filed under {:#x}", vma.start.raw(), start.raw());
    if (!(vma.start < vma.end)) return fmt::format("VMA at {:#x} is empty", start.raw());
    if (!vma.start.page_aligned() || !vma.end.page_aligned())
      return fmt::format("VMA {:#x}-{:#x} is not page aligned", vma.start.raw(), vma.end.raw());
    if (vma.start < previous_end) return fmt::format("VMA at {:#x} overlaps the one below", start.raw());
    previous_end = vma.end;
  }
  return std::nullopt;
}

}  // namespace faultline::mmu

#include "mmu/space/vma_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

VmaSet::~VmaSet() {
  while (!map_.empty()) erase(map_.begin()->second);
}

void VmaSet::note_change(Gva start, Gva end) {
  const bool first = changes_.start == changes_.end;
  changes_.start = first ? start : std::min(changes_.start, start);
  changes_.end = first ? end : std::max(changes_.end, end);
}

void VmaSet::charge(std::int64_t bytes) {
  if (mm_ != nullptr) mm_->frames().charge_metadata(bytes);
}

// Linux vma_link_file, __remove_shared_vm_struct.
void VmaSet::link_file(Vma& vma) {
  if (vma.file) vma.file->mappings().insert(vma.file_interval, vma);
}
void VmaSet::unlink_file(Vma& vma) {
  if (vma.file) vma.file->mappings().erase(vma.file_interval);
}

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
  Vma& inserted = map_.emplace(start, std::move(vma)).first->second;
  inserted.mm = mm_;
  note_change(inserted.start, inserted.end);
  charge(Vma::kMetadataBytes);
  link_file(inserted);
  return inserted;
}

void VmaSet::erase(const Vma& vma) {
  ++removals_;
  note_change(vma.start, vma.end);
  const auto it = map_.find(vma.start);
  unlink_file(it->second);
  unlink_anon_vmas(it->second);
  map_.erase(it);
  charge(-Vma::kMetadataBytes);
}

void VmaSet::move_bounds(Vma& vma, Gva start, Gva end) {
  FL_CHECK(start < end);
  note_change(std::min(start, vma.start), std::max(end, vma.end));
  unlink_file(vma);
  vma.anon_vma_chain.leave_trees();
  if (start < vma.start) {
    vma.pgoff = vma.pgoff - (vma.start.page() - start.page());
  } else {
    vma.pgoff = vma.pgoff + (start.page() - vma.start.page());
  }
  vma.end = end;
  if (start != vma.start) {
    // The node moves, the VMA in it does not: references stay valid.
    auto node = map_.extract(vma.start);
    node.key() = start;
    vma.start = start;
    map_.insert(std::move(node));
  }
  link_file(vma);
  vma.anon_vma_chain.enter_trees(vma);
}

Vma& VmaSet::resize(Vma& vma, Gva start, Gva end) {
  if (start > vma.start || end < vma.end) ++removals_;
  move_bounds(vma, start, end);
  return vma;
}

Vma& VmaSet::split(Vma& vma, Gva at) {
  FL_CHECK(at.page_aligned() && vma.start < at && at < vma.end);
  Vma upper = vma;
  upper.start = at;
  upper.pgoff = vma.page_index(at);
  move_bounds(vma, vma.start, at);
  Vma& inserted = insert(std::move(upper));
  if (inserted.anon_vma != nullptr) anon_vma_clone(inserted, vma);
  return inserted;
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

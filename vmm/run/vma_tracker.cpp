#include "vmm/run/vma_tracker.hpp"

#include <iterator>

namespace faultline::vmm {

namespace {

bool same(const VmaInfo& known, const mmu::Vma& vma) {
  return known.start == vma.start && known.end == vma.end && known.flags == vma.flags && known.pgoff == vma.pgoff &&
         known.name == FixedText<96>(vma.name);
}

}  // namespace

VmaTracker::Difference VmaTracker::update(const mmu::AddressSpace& mm) {
  const auto [space, fresh] = spaces_.try_emplace(Gpa(mm.tables().root()));
  Vmas& known = space->second;
  const mmu::VmaSet::Changes changes = mm.vmas.take_changes();
  Difference difference;
  difference.start = changes.start;
  difference.end = changes.end;
  if (changes.start == changes.end) return difference;

  auto old = known.upper_bound(changes.start);
  if (old != known.begin() && std::prev(old)->second.end > changes.start) --old;
  for (; old != known.end() && old->first < changes.end;) {
    const mmu::Vma* now = mm.vmas.lookup(old->first);
    if (now != nullptr && same(old->second, *now)) {
      ++old;
      continue;
    }
    difference.removed.push_back(old->first);
    old = known.erase(old);
  }
  for (auto it = mm.vmas.find_position(changes.start); it != mm.vmas.end() && it->first < changes.end; ++it) {
    if (known.contains(it->first)) continue;
    difference.added.push_back(known.try_emplace(it->first, it->second).first->second);
  }
  return difference;
}

std::vector<Gva> VmaTracker::forget(Gpa root) {
  std::vector<Gva> starts;
  const auto space = spaces_.find(root);
  if (space == spaces_.end()) return starts;
  for (const auto& [start, vma] : space->second) starts.push_back(start);
  spaces_.erase(space);
  return starts;
}

std::vector<VmaInfo> VmaTracker::all(Gpa root) const {
  std::vector<VmaInfo> vmas;
  const auto space = spaces_.find(root);
  if (space == spaces_.end()) return vmas;
  for (const auto& [start, vma] : space->second) vmas.push_back(vma);
  return vmas;
}

}  // namespace faultline::vmm

#include "vmm/hosted/mappings.hpp"

#include <algorithm>
#include <iterator>

namespace faultline::vmm::hosted {

// Makes `at` the start of a range if it lies inside one.
void Mappings::split(std::uint64_t at) {
  auto it = ranges_.lower_bound(at);
  if (it == ranges_.begin()) return;
  --it;
  const std::uint64_t head = at - it->first;
  if (head >= it->second.pages) return;
  Range tail = it->second;
  tail.pages -= head;
  tail.frame += head;
  it->second.pages = head;
  ranges_.emplace(at, tail);
}

Mappings::Map::iterator Mappings::merge_with_next(Map::iterator it) {
  const auto next = std::next(it);
  if (next == ranges_.end()) return it;
  Range& a = it->second;
  const Range& b = next->second;
  if (it->first + a.pages != next->first || a.frame + a.pages != b.frame || a.protection != b.protection) return it;
  a.pages += b.pages;
  a.changed = std::max(a.changed, b.changed);
  ranges_.erase(next);
  return it;
}

void Mappings::add(Pages pages, Gfn frame, int protection) {
  if (pages.count == 0) return;
  remove(pages.first, pages.first + pages.count);
  auto it = ranges_.emplace(pages.first.raw(), Range{pages.count, frame.raw(), ++clock_, protection}).first;
  merge_with_next(it);
  if (it != ranges_.begin()) merge_with_next(std::prev(it));
}

bool Mappings::remove(Vpn start, Vpn end) {
  if (end <= start) return false;
  split(start.raw());
  split(end.raw());
  const auto from = ranges_.lower_bound(start.raw());
  const auto to = ranges_.lower_bound(end.raw());
  if (from == to) return false;
  ranges_.erase(from, to);
  return true;
}

bool Mappings::has(Vpn page, Gfn frame, int protection) const {
  auto it = ranges_.upper_bound(page.raw());
  if (it == ranges_.begin()) return false;
  --it;
  const std::uint64_t offset = page.raw() - it->first;
  const Range& r = it->second;
  return offset < r.pages && r.frame + offset == frame.raw() && r.protection == protection;
}

std::vector<Mappings::Pages> Mappings::take_older_half() {
  if (ranges_.empty()) return {};
  std::vector<std::uint64_t> changes;
  changes.reserve(ranges_.size());
  for (const auto& [page, range] : ranges_) changes.push_back(range.changed);
  const auto middle = changes.begin() + static_cast<std::ptrdiff_t>((changes.size() - 1) / 2);
  std::ranges::nth_element(changes, middle);
  std::vector<Pages> taken;
  for (auto it = ranges_.begin(); it != ranges_.end();) {
    if (it->second.changed > *middle) {
      ++it;
      continue;
    }
    taken.push_back({Vpn(it->first), it->second.pages});
    it = ranges_.erase(it);
  }
  return taken;
}

}  // namespace faultline::vmm::hosted

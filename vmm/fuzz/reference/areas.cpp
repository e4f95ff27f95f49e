#include "vmm/fuzz/reference/areas.hpp"

#include <algorithm>
#include <iterator>

namespace faultline::vmm::fuzz::reference {

namespace {

using Entry = Pages::value_type;

// Nothing but kin can keep a and b apart.
bool adjoin(const Entry& a, const Entry& b) {
  return a.first + 1 == b.first && a.second.index + 1 == b.second.index && a.second.traits == b.second.traits;
}

bool one_area(const Entry& a, const Entry& b) { return adjoin(a, b) && a.second.kin == b.second.kin && !b.second.seam; }

// Linux anon_vma_compatible: rights may differ.
bool may_share_kin(Entry a, Entry b) {
  a.second.traits.prot = b.second.traits.prot;
  return adjoin(a, b);
}

bool lends_kin(const Page& page) { return page.kin.id != 0 && !page.kin.inherited; }

bool could_merge(const Entry& a, const Entry& b) {
  const Page &first = a.second, &second = b.second;
  if (!adjoin(a, b)) return false;
  return first.kin == second.kin || (first.kin.id == 0 && lends_kin(second)) ||
         (second.kin.id == 0 && lends_kin(first));
}

void give_kin(Pages& pages, Area area, Kin kin) {
  for (auto at = pages.lower_bound(area.first); at != pages.end() && at->first < area.end; ++at) at->second.kin = kin;
}

}  // namespace

Area area_of(const Pages& pages, Vpn page) {
  auto first = pages.find(page), last = first;
  while (first != pages.begin() && one_area(*std::prev(first), *first)) --first;
  while (std::next(last) != pages.end() && one_area(*last, *std::next(last))) ++last;
  return {first->first, last->first + 1};
}

bool begins_area(const Pages& pages, Vpn page) {
  const auto at = pages.find(page);
  return at == pages.begin() || !one_area(*std::prev(at), *at);
}

std::vector<Area> areas_in(const Pages& pages, Vpn first, Vpn end) {
  std::vector<Area> areas;
  for (auto at = pages.lower_bound(first); at != pages.end() && at->first < end; ++at) {
    if (!areas.empty() && one_area(*std::prev(at), *at))
      areas.back().end = at->first + 1;
    else
      areas.push_back({at->first, at->first + 1});
  }
  return areas;
}

void prepare_kin(Pages& pages, Vpn page, std::uint64_t& next_id) {
  if (pages.at(page).kin.id != 0) return;
  const Area area = area_of(pages, page);
  const auto first = pages.find(area.first), after = pages.find(area.end);
  Kin kin;
  if (after != pages.end() && lends_kin(after->second) && may_share_kin(*std::prev(after), *after)) {
    kin = after->second.kin;
  } else if (first != pages.begin() && lends_kin(std::prev(first)->second) &&
             may_share_kin(*std::prev(first), *first)) {
    kin = std::prev(first)->second.kin;
  } else {
    kin.id = next_id++;
  }
  give_kin(pages, area, kin);
}

void leave_seam(Pages& pages, Vpn page) {
  const auto at = pages.find(page);
  if (at != pages.end() && at != pages.begin()) at->second.seam = could_merge(*std::prev(at), *at);
}

void look_at_borders(Pages& pages, Area changed) {
  for (const Vpn border : {changed.first, changed.end})
    if (const auto at = pages.find(border); at != pages.end()) at->second.seam = false;
}

void settle(Pages& pages) {
  for (auto at = pages.begin(); at != pages.end() && std::next(at) != pages.end(); ++at) {
    const auto next = std::next(at);
    if (at->second.kin == next->second.kin || !adjoin(*at, *next) || next->second.seam) continue;
    if (next->second.kin.id == 0 && lends_kin(at->second))
      next->second.kin = at->second.kin;
    else if (at->second.kin.id == 0 && lends_kin(next->second))
      give_kin(pages, area_of(pages, at->first), next->second.kin);
  }
}

}  // namespace faultline::vmm::fuzz::reference

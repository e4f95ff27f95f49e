#include "vmm/inspect/heat.hpp"

#include <algorithm>

#include "vmm/inspect/filter.hpp"
#include "vmm/record/printable.hpp"

namespace faultline::vmm::inspect {

namespace {

struct Bounds {
  Vpn start, end;
};
// The VMA, and the page of the fault where that lies elsewhere.
Bounds bounds_of(const FaultRecord& record) {
  const Vpn page = record.address.page();
  if (!record.vma || record.vma->start >= record.vma->end) return {page, page + 1};
  const Vpn last = (record.vma->end - 1).page();
  return {std::min(record.vma->start.page(), page), std::max(last, page) + 1};
}

}  // namespace

void Heat::note_process(const recording::Event& event) {
  const auto* change = std::get_if<recording::ProcessChange>(&event.body);
  if (change == nullptr || change->event == recording::ProcessEvent::kExit) return;
  std::string program = printable(change->program);
  if (change->event == recording::ProcessEvent::kFork) {
    const auto parent = current_.find(change->parent);
    if (parent != current_.end()) program = spaces_[parent->second].program;
  }
  current_[event.process] = spaces_.size();
  spaces_.push_back({event.process, std::move(program), {}});
}

AreaHeat& Heat::area_of(std::uint32_t process, const FaultRecord& record) {
  const auto [at, fresh] = current_.try_emplace(process, spaces_.size());
  if (fresh) spaces_.push_back({process, "?", {}});
  Space& space = spaces_[at->second];
  const std::string name = vma_name(record.vma);
  const Bounds bounds = bounds_of(record);
  const std::string flags = record.vma ? record.vma->flags.text() : "";
  auto& named = space.areas[flags + name];
  AreaHeat merged;
  merged.process = process;
  merged.program = space.program;
  merged.name = name;
  merged.flags = flags;
  merged.start = bounds.start;
  merged.end = bounds.end;
  auto it = named.upper_bound(bounds.end);
  while (it != named.begin() && std::prev(it)->second.end >= bounds.start) {
    --it;
    AreaHeat& other = it->second;
    if (other.start <= bounds.start && other.end >= bounds.end) return other;
    merged.start = std::min(merged.start, other.start);
    merged.end = std::max(merged.end, other.end);
    merged.faults += other.faults;
    merged.pages.merge(other.pages);
    it = named.erase(it);
  }
  const Vpn start = merged.start;
  return named.emplace(start, std::move(merged)).first->second;
}

void Heat::add(const recording::Event& event) {
  note_process(event);
  const auto* fault = std::get_if<recording::Fault>(&event.body);
  if (fault == nullptr) return;
  const FaultRecord& record = fault->record;
  AreaHeat& area = area_of(event.process, record);
  ++area.faults;
  ++faults_;
  PageHeat& page = area.pages[record.address.page()];
  if (page.faults++ == 0) page.first_ns = event.time_ns;
  page.last_ns = event.time_ns;
  page.writes += record.error.write() ? 1 : 0;
  page.major += record.end == FaultEnd::kMajor ? 1 : 0;
  page.failed += record.end == FaultEnd::kSignal || record.end == FaultEnd::kEfault ? 1 : 0;
  page.path = path_name(record.path);
}

std::vector<const AreaHeat*> Heat::areas() const {
  std::vector<const AreaHeat*> all;
  for (const Space& space : spaces_) {
    const auto begin = static_cast<std::ptrdiff_t>(all.size());
    for (const auto& [kind, named] : space.areas)
      for (const auto& [start, area] : named) all.push_back(&area);
    std::ranges::sort(all.begin() + begin, all.end(), {}, [](const AreaHeat* a) { return a->start; });
  }
  return all;
}

}  // namespace faultline::vmm::inspect

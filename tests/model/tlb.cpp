#include "tests/model/tlb.hpp"

namespace faultline::model {

std::vector<std::uint64_t> Tlb::cached_entries(Gpa slot) const {
  std::vector<std::uint64_t> values;
  if (const auto it = entries_.find(slot.raw()); it != entries_.end()) {
    for (const HeldEntry& held : it->second) {
      if (held.pcid == pcid_) values.push_back(held.value);
    }
  }
  return values;
}

std::vector<Translation> Tlb::cached_translations(Gva page) const {
  std::vector<Translation> found;
  if (const auto it = pages_.find(page.page_base().raw()); it != pages_.end()) {
    for (const HeldPage& held : it->second) {
      if (held.pcid == pcid_ || held.translation.global) found.push_back(held.translation);
    }
  }
  return found;
}

void Tlb::before_store(Gpa slot, unsigned level, std::span<const Gva> pages) {
  for (const Gva page : pages) {
    for (const Translation& t : translations(*this, cpu_, controls_, page)) {
      if (t.end == End::kMapped) pages_[page.page_base().raw()].push_back({t, pcid_});
    }
  }
  const std::optional<std::uint64_t> old = memory_.entry(slot, entry_bytes(controls_.paging));
  if (!old || (*old & 1) == 0 || (*old & reserved_bits(cpu_, controls_, level, *old)) != 0) return;
  if (!maps_page(cpu_, controls_, level, *old)) entries_[slot.raw()].push_back({*old, pcid_});
}

void Tlb::drop_entries(unsigned pcid) {
  for (auto& [slot, held] : entries_) std::erase_if(held, [pcid](const HeldEntry& e) { return e.pcid == pcid; });
}

void Tlb::invlpg(Gva page) {
  std::erase_if(pages_[page.page_base().raw()],
                [this](const HeldPage& h) { return h.pcid == pcid_ || h.translation.global; });
  drop_entries(pcid_);
}

void Tlb::load_cr3(unsigned pcid, bool keep) {
  pcid_ = pcid;
  if (!keep) invpcid_context(pcid);
}

void Tlb::flush_all() {
  entries_.clear();
  pages_.clear();
}

void Tlb::invpcid_address(unsigned pcid, Gva page) {
  std::erase_if(pages_[page.page_base().raw()],
                [pcid](const HeldPage& h) { return h.pcid == pcid && !h.translation.global; });
  drop_entries(pcid);
}

void Tlb::invpcid_context(unsigned pcid) {
  for (auto& [page, held] : pages_) {
    std::erase_if(held, [pcid](const HeldPage& h) { return h.pcid == pcid && !h.translation.global; });
  }
  drop_entries(pcid);
}

void Tlb::invpcid_all_but_global() {
  for (auto& [page, held] : pages_) std::erase_if(held, [](const HeldPage& h) { return !h.translation.global; });
  entries_.clear();
}

}  // namespace faultline::model

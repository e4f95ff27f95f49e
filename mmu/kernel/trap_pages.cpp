#include "mmu/kernel/trap_pages.hpp"

namespace faultline::mmu {

TrapPages::~TrapPages() {
  for (auto& [page, state] : pages_) put_back(page, state);
}

bool TrapPages::add(Gva va) {
  const Gva page = va.page_base();
  if (pages_.contains(page)) return false;
  Page state;
  if (!take_away(page, state)) return false;
  pages_.emplace(page, state);
  return true;
}

bool TrapPages::remove(Gva va) {
  const auto at = pages_.find(va.page_base());
  if (at == pages_.end()) return false;
  put_back(at->first, at->second);
  pages_.erase(at);
  return true;
}

bool TrapPages::show(Gva va) {
  const auto at = pages_.find(va.page_base());
  if (at == pages_.end() || at->second.shown) return false;
  put_back(at->first, at->second);
  return true;
}

bool TrapPages::hide() {
  bool any = false;
  for (auto& [page, state] : pages_) {
    if (!state.shown) continue;
    take_away(page, state);
    any = true;
  }
  return any;
}

// The entry is kept here and cleared there: nobody finds it present before it is put back.
bool TrapPages::take_away(Gva page, Page& state) {
  const LeafSlot at = tables_.leaf(page);
  if (!at.slot.valid() || at.level != 1 || !at.slot.load().present()) return false;
  TlbGather gather(tables_.tables());
  state.entry = PtEditor(gather).clear(at.slot, page);
  state.shown = false;
  gather.flush();
  return true;
}

void TrapPages::put_back(Gva page, Page& state) {
  const LeafSlot at = tables_.leaf(page);
  if (state.shown || !at.slot.valid() || at.level != 1) return;
  TlbGather gather(tables_.tables());
  PtEditor(gather).install(at.slot, page, state.entry);  // fails where somebody mapped it anew
  state.shown = true;
}

}  // namespace faultline::mmu

#include "vmm/kvm/guest_tlb.hpp"

#include "guest/abi.h"

namespace faultline::vmm::kvm {

namespace {
using Step = mmu::AsidCache::Step;

// SDM vol. 2B, "MOV—Move to/from Control Registers": bit 63 of the operand, with CR4.PCIDE.
constexpr std::uint64_t kNoFlush = 1ULL << 63;
// The stub's own: no bit of CR3. Global pages are dropped as well.
constexpr std::uint64_t kAfresh = 1ULL << FL_CR3_AFRESH;
}  // namespace

// PCID 0 is the host's, when it loads tables itself; slots have those from 1 on.
void GuestTlb::restart(TlbFeatures features) {
  features_ = features;
  cache_ = mmu::AsidCache(features.pcid ? mmu::AsidCache::kMaxSlots : 1);
  loaded_ = Gpa();
  step_ = 0;
  unsure_ = false;
}

std::uint64_t GuestTlb::cr3(Gpa root, unsigned slot) const { return root.raw() | pcid(slot); }

bool GuestTlb::settled(Gpa root) const { return cache_.settled(books_.open()->of(root)); }

TlbOrder GuestTlb::order(Gpa root) {
  auto books = books_.open();
  const mmu::AsidCache::Order order = cache_.enter(books->of(root));
  loaded_ = root;
  step_ = 0;
  switch (order.step) {
    case Step::kNothing: return {};
    case Step::kLoadKeeping: ++statistics_.kept; return {cr3(root, order.slot) | kNoFlush, {}};
    case Step::kLoadFlushed: ++statistics_.flushed; return {cr3(root, order.slot), {}};
    case Step::kLoadAfresh:
      ++statistics_.flushed;
      return {cr3(root, order.slot) | (features_.global_pages ? kAfresh : 0), {}};
    case Step::kCatchUp: break;
  }
  const auto stale = features_.invpcid ? books->stale_since(root, order.since) : std::nullopt;
  if (!stale) {
    ++statistics_.whole_flushes;
    return {cr3(root, order.slot), {}};
  }
  ++statistics_.page_flushes;
  TlbOrder pages;
  pages.pages.reserve(stale->size());
  for (const Gva page : *stale) pages.pages.push_back({pcid(order.slot), page.raw()});
  return pages;
}

bool GuestTlb::lost() const {
  const std::uint64_t id = step_ != 0 ? step_ : cache_.loaded();
  return unsure_ || (id != 0 && !books_.open()->lives(loaded_, id));
}

void GuestTlb::stepped(Gpa root) {
  cache_.forget_loaded();
  loaded_ = root;
  step_ = books_.open()->of(root).id;
}

void GuestTlb::left() {
  cache_.forget_loaded();
  step_ = 0;
  unsure_ = false;
}

void GuestTlb::interrupted() {
  cache_.forget_all();
  step_ = 0;
  unsure_ = true;
}

}  // namespace faultline::vmm::kvm

#include "mmu/pgtable/asid_cache.hpp"

#include <algorithm>
#include <utility>

namespace faultline::mmu {

AsidCache::AsidCache(unsigned slots) : count_(slots) { FL_CHECK(slots >= 1 && slots <= kMaxSlots); }

bool AsidCache::settled(TlbContext next) const { return loaded_ && slots_[*loaded_] == next; }

AsidCache::Order AsidCache::enter(TlbContext next) {
  FL_CHECK(next.id != 0);
  const bool afresh = next.kernel != kernel_;
  if (afresh) forget_all();
  kernel_ = next.kernel;
  if (loaded_ && slots_[*loaded_].id == next.id) {
    TlbContext& slot = slots_[*loaded_];
    if (slot == next) return {Step::kNothing, *loaded_, 0};
    return {Step::kCatchUp, *loaded_, std::exchange(slot.generation, next.generation)};
  }
  const auto end = slots_.begin() + count_;
  const auto held = std::find_if(slots_.begin(), end, [&](const TlbContext& c) { return c.id == next.id; });
  unsigned slot = next_;
  Step step = afresh ? Step::kLoadAfresh : Step::kLoadFlushed;
  if (held != end) {
    slot = static_cast<unsigned>(held - slots_.begin());
    if (*held == next) step = Step::kLoadKeeping;
  } else {
    next_ = (next_ + 1) % count_;
  }
  slots_[slot] = next;
  loaded_ = slot;
  return {step, slot, 0};
}

void AsidCache::forget_loaded() {
  if (loaded_) slots_[*loaded_] = {};
  loaded_.reset();
}

void AsidCache::forget_all() {
  slots_.fill({});
  loaded_.reset();
  kernel_ = 0;
}

}  // namespace faultline::mmu

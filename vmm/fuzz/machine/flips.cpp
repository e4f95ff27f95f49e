#include "vmm/fuzz/machine/flips.hpp"

#include <algorithm>
#include <atomic>

namespace faultline::vmm::fuzz {

namespace {

using mmu::Pte;

// Not through PteSlot: its edits are mmu's, this is damage.
std::atomic_ref<std::uint64_t> raw_entry(const mmu::PhysMemory& memory, Gpa slot) {
  return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(memory.at(slot)));
}

constexpr std::uint64_t kSetByProcessor = Pte::kAccessed | Pte::kDirty;

}  // namespace

std::optional<FlippedEntry> Flips::flip(mmu::AddressSpace& mm, Gva address, mmu::Level level, unsigned bit) {
  const mmu::Walk walk = mm.tables().walk(address);
  const auto step = std::find_if(walk.steps.begin(), walk.steps.begin() + walk.count,
                                 [level](const mmu::WalkStep& s) { return s.level == level; });
  if (step == walk.steps.begin() + walk.count) return std::nullopt;
  auto known = std::ranges::find(entries_, step->slot, [](const Entry& e) { return e.first.slot; });
  if (known == entries_.end()) {
    if (!step->entry.present()) return std::nullopt;
    const Gva base(address.raw() & ~(mmu::level_span(level) - 1));
    const std::uint64_t before = step->entry.raw();
    entries_.push_back({mm.frames().memory(), {base, level, step->slot, before, before}, 0});
    known = entries_.end() - 1;
  }
  known->bits ^= std::uint64_t{1} << bit;
  FlippedEntry flipped = known->first;
  flipped.before = raw_entry(known->memory, step->slot).fetch_xor(std::uint64_t{1} << bit);
  flipped.after = flipped.before ^ std::uint64_t{1} << bit;
  return flipped;
}

void Flips::undo() {
  for (const Entry& e : entries_) {
    const auto entry = raw_entry(e.memory, e.first.slot);
    const std::uint64_t now = entry.load(), before = e.first.before;
    if (((now ^ before ^ e.bits) & (Pte::kAddressMask | Pte::kPresent)) != 0) continue;
    // As mmu knows it: what a flip left, back; what a fault changed, kept.
    const std::uint64_t left_by_flip = e.bits & ~(now ^ before ^ e.bits) & ~kSetByProcessor;
    std::uint64_t then = now ^ left_by_flip;
    if ((e.bits & kSetByProcessor) != 0) then |= before & kSetByProcessor;
    if ((before & Pte::kDirty) == 0 && (then & Pte::kWrite) == 0) then &= ~Pte::kDirty;
    entry.store(then);
  }
  entries_.clear();
}

}  // namespace faultline::vmm::fuzz

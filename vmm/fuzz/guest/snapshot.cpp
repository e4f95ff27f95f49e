#include "vmm/fuzz/guest/snapshot.hpp"

#include <algorithm>
#include <cstring>

namespace faultline::vmm::fuzz {

Snapshot::Snapshot(const mmu::FrameAllocator& frames)
    : memory_(frames.memory()), position_(frames.high_water() - frames.first(), kNone), first_(frames.first()) {
  std::uint32_t next = 0, zeroes = kNone;  // one copy does for all pages of zeroes
  for (Gfn frame = first_; frame < frames.high_water(); frame = frame + 1) {
    const mmu::Frame& f = frames.at(frame);
    if (f.refcount.load(std::memory_order_relaxed) == 0 || f.kind == mmu::FrameKind::kReserved) continue;
    const auto page = memory_.page(frame);
    const bool zero = std::ranges::all_of(page, [](std::byte byte) { return byte == std::byte{0}; });
    saved_.push_back(frame);
    position_[frame - first_] = zero && zeroes != kNone ? zeroes : next;
    if (zero && zeroes != kNone) continue;
    if (zero) zeroes = next;
    ++next;
    bytes_.insert(bytes_.end(), page.begin(), page.end());
  }
}

const std::byte* Snapshot::saved_of(Gfn frame) const {
  if (frame < first_ || frame - first_ >= position_.size()) return nullptr;
  const std::uint32_t position = position_[frame - first_];
  return position == kNone ? nullptr : bytes_.data() + std::size_t{position} * kPageSize;
}

std::size_t Snapshot::restore(std::span<const Gfn> dirty) const {
  std::size_t restored = 0;
  for (const Gfn frame : dirty) {
    const std::byte* saved = saved_of(frame);
    if (saved == nullptr) continue;
    std::memcpy(memory_.page(frame).data(), saved, kPageSize);
    ++restored;
  }
  return restored;
}

std::vector<Gfn> Snapshot::changed() const {
  std::vector<Gfn> found;
  for (const Gfn frame : saved_)
    if (std::memcmp(memory_.page(frame).data(), saved_of(frame), kPageSize) != 0) found.push_back(frame);
  return found;
}

}  // namespace faultline::vmm::fuzz

// Guest memory as it is at the start of every program. What is in use then is kept and put back;
// what is free then is nobody's: the allocator zeroes a frame before it hands it out again
// (FrameAllocator::rewind), so that a program pays for the frames that it uses, and no other.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "mmu/phys/frame_allocator.hpp"

namespace faultline::vmm::fuzz {

class Snapshot {
 public:
  // Copies the frames of `frames` that are in use, but those whose owner is outside mmu (kReserved).
  // It outlives this.
  explicit Snapshot(const mmu::FrameAllocator& frames);

  // Puts back those of `dirty` that were in use, each once. Returns how many there were.
  std::size_t restore(std::span<const Gfn> dirty) const;
  // Those in use that are not what they were.
  [[nodiscard]] std::vector<Gfn> changed() const;
  [[nodiscard]] bool has(Gfn frame) const { return saved_of(frame) != nullptr; }
  [[nodiscard]] std::size_t frames() const { return saved_.size(); }

 private:
  [[nodiscard]] const std::byte* saved_of(Gfn frame) const;

  mmu::PhysMemory memory_;
  std::vector<Gfn> saved_;               // in order
  std::vector<std::uint32_t> position_;  // in bytes_, in pages; by frame from first_ on; kNone
  std::vector<std::byte> bytes_;
  Gfn first_;
  static constexpr std::uint32_t kNone = ~0U;
};

}  // namespace faultline::vmm::fuzz

// The guest's physical memory as the host sees it: one contiguous host mapping, guest
// physical address 0 at its start. Non-owning; vmm/ram or a test owns the mapping.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "mmu/base/address.hpp"

namespace faultline::mmu {

class PhysMemory {
 public:
  // `bytes` starts page aligned and is a whole number of pages long.
  explicit PhysMemory(std::span<std::byte> bytes) : base_(bytes.data()), frames_(bytes.size() / kPageSize) {}

  [[nodiscard]] std::uint64_t frames() const { return frames_; }
  [[nodiscard]] bool contains(Gfn frame) const { return frame.raw() < frames_; }
  // The 4096 bytes of a frame. Precondition: contains(frame).
  [[nodiscard]] std::span<std::byte, kPageSize> page(Gfn frame) const {
    FL_CHECK(contains(frame));
    return std::span<std::byte, kPageSize>(base_ + frame.raw() * kPageSize, kPageSize);
  }
  [[nodiscard]] std::byte* at(Gpa address) const { return page(address.page()).data() + address.page_offset(); }

 private:
  std::byte* base_;
  std::uint64_t frames_;
};

}  // namespace faultline::mmu

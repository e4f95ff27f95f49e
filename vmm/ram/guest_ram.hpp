// Guest RAM: one memfd, mapped once and contiguously, guest physical address 0 at its start.
// Sparse: a page costs memory only when somebody touched it.
#pragma once

#include <cstdint>

#include "mmu/base/result.hpp"
#include "mmu/phys/phys_memory.hpp"
#include "vmm/host/handles.hpp"

namespace faultline::vmm {

inline constexpr std::uint64_t kMaxGuestMemory = 64ULL << 30;

class GuestRam {
 public:
  // `bytes`: a whole number of pages, at most kMaxGuestMemory. The mapping is aligned to 1 GiB,
  // so that guest and host huge pages coincide, and advised for huge pages.
  static Result<GuestRam> create(std::uint64_t bytes);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] mmu::PhysMemory memory() const { return mmu::PhysMemory(bytes()); }
  [[nodiscard]] std::span<std::byte> bytes() const { return {base_, size_}; }
  [[nodiscard]] std::byte* at(Gpa address) const { return base_ + address.raw(); }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  FileDescriptor fd_;
  Mapping reservation_;  // address space around the aligned part as well
  std::byte* base_ = nullptr;
  std::uint64_t size_ = 0;
};

}  // namespace faultline::vmm

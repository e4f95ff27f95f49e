// A kernel image that follows the Multiboot Specification, version 0.6.96: which bytes go where in
// guest memory, and where the kernel begins. The image is not trusted.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "mmu/base/address.hpp"
#include "mmu/base/result.hpp"

namespace faultline::vmm::multiboot {

// Memory from `address` on: `bytes` of the file, then zeroes up to `memory_bytes`.
struct Segment {
  Gpa address;
  std::span<const std::byte> bytes;
  std::uint64_t memory_bytes = 0;
};

struct Image {
  std::vector<Segment> segments;
  std::uint32_t entry = 0;
  // The first page boundary behind all segments.
  Gpa end;
};

// `file`: the whole image; the segments point into it. `ram_bytes`: what the guest has, from address 0.
// Errors: no multiboot header, a feature that the kernel needs and there is not, a file that contradicts
// itself, and what does not fit into the guest's memory.
Result<Image> parse_image(std::span<const std::byte> file, std::uint64_t ram_bytes);

}  // namespace faultline::vmm::multiboot

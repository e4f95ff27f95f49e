// A kernel program's file: a freestanding ELF64 for x86-64, linked into the last 2 GiB, with its
// exception table in a section __ex_table. Hostile input: every offset is checked.
#pragma once

#include <vector>

#include "mmu/kernel/exception_table.hpp"

namespace faultline::vmm::kernel {

struct Segment {
  Gva start;  // page aligned
  std::uint64_t pages = 0;
  std::uint64_t offset = 0;          // of the bytes, in the first page
  std::span<const std::byte> bytes;  // of the file; zeroes follow
  bool write = false, execute = false;
};

struct Image {
  std::vector<Segment> segments;  // by address
  Gva entry;
  mmu::ExceptionTable exceptions;
};

// `file` must live as long as the image. Errors, one line: not such an ELF, a segment outside the
// range or over the entry stubs, two in one page, larger than the file, more than `memory_bytes`, a
// malformed exception table, an entry point outside the code.
Result<Image> parse_image(std::span<const std::byte> file, std::uint64_t memory_bytes);

}  // namespace faultline::vmm::kernel

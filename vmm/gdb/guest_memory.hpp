// The memory of a guest process as a debugger reads it: what the process would find, and nothing
// changes by looking. No page table entry, no Accessed bit, no frame, no count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "mmu/space/address_space.hpp"

namespace faultline::vmm::gdb {

// Copies from `from` on and returns how many bytes there were before the first that does not
// exist. What was not faulted in yet is what a fault would bring: the page of the file (from the
// page cache, or from the host's file past it), zeros for anonymous memory. Rights of the mapping
// do not matter. Not there: no mapping, beyond the end of a file, guard regions.
std::uint64_t peek_memory(const mmu::AddressSpace& mm, std::span<std::byte> to, Gva from);

// The bytes behind `address` to the end of its page, when its page is in the page tables of user
// code (present, user) and not the zero page that all share; empty otherwise. Writing to them is
// behind the guest's back.
std::span<std::byte> mapped_bytes(const mmu::AddressSpace& mm, Gva address);

}  // namespace faultline::vmm::gdb

// Text views of an address space: its VMAs, its table tree, the translation of one address.
#pragma once

#include <string>

#include "mmu/space/address_space.hpp"

namespace faultline::tools {

// One line a VMA, as /proc/PID/maps, with the pages that are mapped.
std::string describe_vmas(const mmu::AddressSpace& mm);
// Every entry of the user half, indented by level; runs of leaves with the same flags and
// neighbouring frames are one line.
std::string describe_tree(const mmu::AddressSpace& mm);
// The walk of one address, level by level, with the effective rights and the VMA.
std::string describe_translation(const mmu::AddressSpace& mm, Gva address);

}  // namespace faultline::tools

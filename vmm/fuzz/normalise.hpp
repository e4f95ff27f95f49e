// VMAs as traces have them. Where Linux merges depends on what a page map cannot tell (whether
// two neighbours have pages of one anon_vma), so nobody compares borders within equal memory.
#pragma once

#include <vector>

#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

// Joins neighbours with equal rights and file whose offsets go on; the offset of anonymous memory,
// shared or not, becomes 0. Precondition: `vmas` are in address order and do not overlap.
void normalise(std::vector<SeenVma>& vmas);

}  // namespace faultline::vmm::fuzz

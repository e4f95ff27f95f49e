// Operations as the runner makes them: system calls with their arguments, accesses by address.
#pragma once

#include "vmm/fuzz/host/shared.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz::host {

// Puts `program` into `shared`, up to the first step that this host cannot judge:
//  - raw operations and failures;
//  - what reaches below 64 KiB where vm.mmap_min_addr lets it: kRemap to there, and accesses there
//    after a mapping that grows down, which might grow. (kMap is given an address that it refuses.)
void translate(const Program& program, Shared& shared);

}  // namespace faultline::vmm::fuzz::host

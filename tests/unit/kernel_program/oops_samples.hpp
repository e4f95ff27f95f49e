// One oops of each kind: the faults go through the ladder, registers and tables are written down.
#pragma once

#include <string>
#include <vector>

#include "vmm/kernel/oops.hpp"

namespace faultline::vmm::kernel {

struct OopsSample {
  std::string name;  // of its golden files
  Oops oops;
};

std::vector<OopsSample> oops_samples();

}  // namespace faultline::vmm::kernel

// The walkers with a mistake each, in the order of kMutations; null where a mistake could not be
// planted because the text it replaces is not, or not once, in the source.
#pragma once

#include <vector>

#include "vmm/conform/walker.hpp"

namespace faultline::test {

const std::vector<vmm::conform::Walker>& mutants();

}  // namespace faultline::test

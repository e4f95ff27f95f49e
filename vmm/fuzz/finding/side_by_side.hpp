// traces.txt of a finding.
#pragma once

#include <span>
#include <string>

#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

// Each step with what each judge says of it, once where all say the same; then the end. '>' stands
// before the step of `disagreement`, '*' before what the judges do not agree on.
[[nodiscard]] std::string side_by_side(const Program& program, std::span<const Trace> traces,
                                       const Disagreement& disagreement);

}  // namespace faultline::vmm::fuzz

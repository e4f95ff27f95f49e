// README.md of a finding.
#pragma once

#include <string>

#include "vmm/fuzz/finding/finding.hpp"

namespace faultline::vmm::fuzz {

// One page in Markdown: what was run, who says what, where they part, what is in the folder, how to
// replay it.
[[nodiscard]] std::string explanation(const Finding& finding);

}  // namespace faultline::vmm::fuzz

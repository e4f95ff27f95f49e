// finding.json: all of a finding but its programs and traces.
#pragma once

#include <string>
#include <string_view>

#include "vmm/fuzz/finding/finding.hpp"

namespace faultline::vmm::fuzz {

[[nodiscard]] std::string to_json(const Finding& finding);
// Error: "FILE: byte N: ..." or "FILE: \"key\" ...". Unknown keys are refused, and so are missing ones.
Result<Finding> parse_finding_json(std::string_view text, const std::string& file_name);

}  // namespace faultline::vmm::fuzz

// docs/linux-fidelity.md, made from the table.
#pragma once

#include <string>
#include <vector>

#include "tests/fidelity/table.hpp"

namespace faultline::test {

inline constexpr const char* kFidelityDocument = FAULTLINE_SOURCE "/docs/linux-fidelity.md";

std::string fidelity_document(const std::vector<FidelitySection>& table);

}  // namespace faultline::test

// What is simpler than an operand, by its kind.
#pragma once

#include <cstdint>
#include <vector>

#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

// How far a value is from the plainest of its kind: whatever replaces it costs less, so that
// shrinking ends.
[[nodiscard]] std::uint64_t cost(OperandKind kind, std::int64_t value);
// Values that cost less, the boldest first. Not all need be legal: that is for illegal() to say.
[[nodiscard]] std::vector<std::int64_t> simpler(OperandKind kind, std::int64_t value);

}  // namespace faultline::vmm::fuzz

// Makes a program that shows something as small and as plain as it can be and still show it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>

#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

struct ShrinkLimits {
  std::size_t evaluations = 3000;  // calls of the predicate
  std::chrono::milliseconds time{30'000};
};

// Delta debugging over the operations (Zeller and Hildebrandt, "Simplifying and Isolating
// Failure-Inducing Input"), then over their operands by kind: nearer and rounder addresses, fewer
// bits, lower levels, smaller widths, lengths and values; both again until nothing helps or a
// limit is reached. The result is legal and `still_fails` was true of it, or it is `program`.
// Precondition: `program` is legal; still_fails(program) is true.
[[nodiscard]] Program shrink(const Program& program, const std::function<bool(const Program&)>& still_fails,
                             ShrinkLimits limits = {});

}  // namespace faultline::vmm::fuzz

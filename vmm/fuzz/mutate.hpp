// Changes of programs that know what a program is.
#pragma once

#include <random>

#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

// Makes one change, sometimes a few: an operand within its kind, an operation put in, left out,
// repeated, moved, changed into another, or a part repeated elsewhere. The program stays legal.
// Raw operations and failures come only into programs that have some already.
void mutate(Program& program, std::mt19937_64& random);

// A beginning of `a` and an end of `b`.
[[nodiscard]] Program crossover(const Program& a, const Program& b, std::mt19937_64& random);

}  // namespace faultline::vmm::fuzz

// A program in C, for the Linux underneath: nothing but a C compiler is needed to run it.
#pragma once

#include <string>

#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

// C99 for Linux on x86-64. It makes the same system calls and accesses, each access as one
// instruction, with forked processes for the program's, and prints what came of each step.
// Steps that a program of Linux cannot make (OpClass::kRaw and kFailure) are left out.
// `comment`: lines for its beginning.
[[nodiscard]] std::string reproducer(const Program& program, const std::string& comment);

}  // namespace faultline::vmm::fuzz

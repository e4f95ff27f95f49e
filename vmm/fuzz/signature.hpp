// What makes two findings the same one.
#pragma once

#include <string>

#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

// A key out of: the judges; the field; the step's operation (at the end: the operations that there
// are); what each judge said, without addresses and bytes; levels, bits and controls of the raw
// operations up to there; and the way through the fault ladder as the features of `trace` have it
// (the trace of the judge with page tables, else an empty one). No addresses, no lengths: two
// programs that show one bug at two places have one key. Best taken of the shrunk program.
// Fit for a file name: letters, digits and "+-_=.", at most 160 of them.
[[nodiscard]] std::string signature(const Program& program, const Disagreement& disagreement, const Trace& trace);

}  // namespace faultline::vmm::fuzz

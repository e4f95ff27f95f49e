// What judges saw, in words: for disagreements, findings and rules about them.
#pragma once

#include <string>

#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

// How a step ended: "done", "0", "-EFAULT", "0x210040000000", "SIGSEGV", "killed", "not judged".
[[nodiscard]] std::string outcome_words(Op op, const StepResult& step);
// "SIGSEGV SEGV_MAPERR"; numbers where there is no name; "none" without a signal.
[[nodiscard]] std::string signal_words(const StepResult& step);
// "SIGSEGV SEGV_MAPERR at 0x1fffffff8000".
[[nodiscard]] std::string signal_and_address_words(const StepResult& step);
// "0x6 (W U)".
[[nodiscard]] std::string error_words(std::uint32_t error);
// "f5 f8 00", "none".
[[nodiscard]] std::string bytes_words(const StepResult& step);
// "0x10000 (U), 0x11000 (W U)", "none".
[[nodiscard]] std::string faults_words(const std::vector<SeenFault>& faults);
// "2 minor, 1 major".
[[nodiscard]] std::string counts_words(const StepResult& step);
// All of them that `fields` (Field bits) knows and that say something, on one line.
[[nodiscard]] std::string step_words(Op op, const StepResult& step, std::uint16_t fields);

// "0x10000-0x12000 rw-p disk+0x1000".
[[nodiscard]] std::string vma_words(const SeenVma& vma);
// "0x10000 present file accessed dirty"; `accessed_dirty`: whether the judge knows those.
[[nodiscard]] std::string page_words(const SeenPage& page, bool accessed_dirty);
// "0x10000 content 1234567890abcdef".
[[nodiscard]] std::string content_words(const SeenContent& content);

}  // namespace faultline::vmm::fuzz

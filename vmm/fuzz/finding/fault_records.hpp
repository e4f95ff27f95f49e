// The fault records of a program: what mmu decided about each of its page faults, and why.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

// One record (docs/fault-record.md). The faults of a call's own accesses are among them.
struct StepFault {
  std::size_t step = 0;
  std::string text;  // lines, each with its newline
  std::string json;  // one line with the newline
};

// Of mmu with the model's processor in plain memory, which needs no KVM and says the same each time.
// That processor has no code: a record has the operation's text in place of an instruction, no
// address of one, and no times. At most kMostFaultRecords, the first ones.
// Error: no host memory. Precondition: the program is legal, and does not kill who judges it.
inline constexpr std::size_t kMostFaultRecords = 200;
Result<std::vector<StepFault>> fault_records(const Program& program);

// faults.txt: all of them, each under its step.
[[nodiscard]] std::string faults_text(const Program& program, std::span<const StepFault> faults);
// faults.jsonl.
[[nodiscard]] std::string faults_json(std::span<const StepFault> faults);

}  // namespace faultline::vmm::fuzz

// Accesses of the program and of the kernel on its behalf. User accesses end in kDone or kSignal.
#pragma once

#include <cstdint>

#include "vmm/fuzz/reference/process.hpp"
#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz::reference {

[[nodiscard]] inline StepResult returned(std::int64_t value) {
  StepResult result;
  result.result = value;
  return result;
}
[[nodiscard]] inline StepResult not_judged() {
  StepResult result;
  result.end = StepEnd::kNotJudged;
  return result;
}

StepResult read(Process& process, std::uint64_t address, unsigned width);
StepResult write(Process& process, std::uint64_t address, unsigned width, unsigned pattern);
StepResult fetch(Process& process, std::uint64_t address);
StepResult modify(Process& process, std::uint64_t address, unsigned width);
StepResult exchange(Process& process, std::uint64_t address, unsigned width, unsigned pattern);
// Byte by byte: what was done before the signal stays done.
StepResult copy(Process& process, std::uint64_t from, std::uint64_t to, unsigned count);
StepResult fill(Process& process, std::uint64_t address, unsigned count, unsigned pattern);
// As many bytes as could be had up to the first that could not.
StepResult kernel_read(Process& process, std::uint64_t address, unsigned count);
StepResult kernel_write(Process& process, std::uint64_t address, unsigned count, unsigned pattern);

}  // namespace faultline::vmm::fuzz::reference

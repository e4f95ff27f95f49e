// A job that died is a finding: the program that it was running, made as small as it can be.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "vmm/fuzz/campaign/report.hpp"
#include "vmm/fuzz/campaign/running_program.hpp"

namespace faultline::vmm::fuzz {

struct Death {
  std::vector<RunningProgram::Entry> suspects;  // what it was running, one of them at least
  std::string how;
  bool killed = false;  // by SIGKILL: by somebody, or for its memory
};
// "killed by signal 6 (Aborted)", "left with status 77", and the first line that it said.
[[nodiscard]] std::string describe_death(int wait_status, std::string_view said, bool hung);

// Whether a process of its own dies when `make_judges` judge `program` in it, or does
// not come to an end.
bool dies(const JudgeMaker& make_judges, const Program& program, std::chrono::milliseconds patience);

// Shrinks it by running it in processes of their own and writes the finding. To be called before
// this process makes judges of its own.
void report_death(const JobContext& job, const JudgeMaker& make_judges, const Death& death);

}  // namespace faultline::vmm::fuzz

// The judge: the same static program natively and in a guest, and everything that can be seen of it compared.
//
// Natively it runs pinned to one CPU, without address randomisation and without transparent huge pages. Compared are
// the bytes of stdout and stderr, the exit status, every page fault of user code in order (address, error code and
// instruction) from the first instruction of the program on, and, of programs of one process whose system calls met no
// bad memory, how many faults came with registers. Addresses are compared as they are, not relative to a mapping:
// without randomisation both sides lay a process out alike. What programs print is theirs to make comparable: fault
// counters and mappings yes, frame numbers and times no (docs/linux-fidelity.md, section 0.2).
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace faultline::test {

struct Trial {
  std::vector<std::string> argv;          // argv[0] is a path
  std::vector<std::string> options = {};  // of `faultline run`
  std::string cli;                        // path of faultline
  std::string folder;                     // where both run and where the fault log goes; emptied by the caller
  std::chrono::seconds timeout{60};
};

struct Judgement {
  std::vector<std::string> differences = {};
  // Why the faults themselves were not compared, only bytes, status and what counters the program prints: the
  // tracepoint cannot be opened here. Never empty and ignored: whoever asks has to say it.
  std::string faults_not_compared = {};
  std::size_t faults = 0;  // compared
};

Judgement judge(const Trial& trial);

}  // namespace faultline::test

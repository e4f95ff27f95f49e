// A finding: a program about which judges disagree, as a folder that explains itself.
//
//   finding.json   what, who and where: format 1, the keys of Finding
//   program.txt    the program as it was found; program.bin: its binary form, which is what counts
//   shrunk.txt     what shrink() left of it: the disagreement is about this one
//   traces.txt     the steps of both judges, side by side
//   faults.txt     its fault records; faults.jsonl: the same for programs
//   reproducer.c   the shrunk program in C, for the Linux underneath
//   README.md      all that in plain words, and how to replay it
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/finding/fault_records.hpp"
#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

class KnownDeviations;

struct Finding {
  Program program;
  Program shrunk;
  Disagreement disagreement;  // about `shrunk`
  std::string signature;
  std::uint64_t seed = 0;           // of the campaign; 0: there was none
  std::string version;              // Faultline's
  std::string kernel;               // system_name() where it was found
  std::string backend;              // of the judge with a vCPU; empty: none took part
  std::vector<std::string> judges;  // all that took part
  std::vector<Trace> traces;        // about `shrunk`, for traces.txt; read_finding() leaves none
  std::vector<StepFault> faults;    // likewise, for faults.txt
};

// "Linux 6.1.0-13-amd64 x86_64".
[[nodiscard]] std::string system_name();
// One line: "model and reference disagree at step 3 (write 4 512g 1) in bytes: f5 / f8".
[[nodiscard]] std::string summary(const Program& program, const Disagreement& disagreement);

// Writes `root`/SIGNATURE, which is its path, whole or not at all. Where that is there already it
// is left as it is: the first finding of a signature stays. Preconditions: both programs are
// legal, the signature is one of signature(), and `root` exists.
Result<std::string> write_finding(const std::string& root, const Finding& finding);
// Error: one line, "FOLDER/FILE: byte N: what is wrong" or FILE:LINE:COLUMN for the text forms.
Result<Finding> read_finding(const std::string& folder);

// What comes of judging a finding once more.
struct Replay {
  std::optional<Disagreement> now;
  bool same = false;    // to the word
  bool known = false;   // a rule explains it: no finding
  std::string verdict;  // one line: the same, or what changed
};
// `judges`: the two that disagreed have to be among them; of a broken relation or invariant, that one.
// `known`, if given: rules of what is no finding, as in a campaign. Error: one is missing.
Result<Replay> replay(const Finding& finding, std::span<const std::unique_ptr<Judge>> judges,
                      const KnownDeviations* known = nullptr);

}  // namespace faultline::vmm::fuzz

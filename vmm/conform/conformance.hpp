// A conformance run from the plan to the verdict.
#pragma once

#include <functional>

#include "vmm/conform/matrix.hpp"
#include "vmm/conform/probe.hpp"
#include "vmm/conform/verdict.hpp"

namespace faultline::vmm::conform {

struct Request {
  Selection selection;
  std::string rule, feature, section;  // empty: all
  Baseline baseline;
  // False: only the model and mmu's walker, no KVM.
  bool machine = true;
  // Called every some thousand cases.
  std::function<void(std::uint64_t done, std::uint64_t of)> progress;
};

// Runs on `system` with what `capabilities` found. Error: no virtual machine can be made.
Result<Verdict> run_matrix(const kvm::System& system, const Capabilities& capabilities, const Request& request);
// The model against mmu's walker on a processor that has everything.
Verdict compare_walkers(const Request& request);

// One case, explained: entries, instruction, the model's walk, expected and got. Without a
// machine, nothing is got. A deviation that `baseline` knows passes.
struct Explained {
  std::string text;
  bool passed = true;
};
Result<Explained> explain_case(std::uint64_t number, const kvm::System* system, const Capabilities* capabilities,
                               const Baseline& baseline);

// What --list shows: sections with their dimensions, rules with their source, features.
std::string list_matrix();

}  // namespace faultline::vmm::conform

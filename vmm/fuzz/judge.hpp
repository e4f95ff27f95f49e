// Somebody who runs a program and tells what came of it. Each starts every program from the same
// state and leaves nothing behind.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

class Judge {
 public:
  virtual ~Judge() = default;
  // "reference", "model", "kvm-pvm", "hosted", "linux".
  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual JudgeKind kind() const = 0;
  // Whether it spends its time in a guest: worth a thread of its own, which it may be given.
  [[nodiscard]] virtual bool has_guest() const { return false; }
  // Precondition: illegal(program) is nothing. Error: the judge itself failed, not the program.
  virtual Result<Trace> run(const Program& program) = 0;
  // The same of each, for a judge that is quicker with several under way at once; not more than
  // at_once() at a time are worth waiting for.
  virtual std::vector<Result<Trace>> run_many(std::span<const Program* const> programs) {
    std::vector<Result<Trace>> traces;
    for (const Program* program : programs) traces.push_back(run(*program));
    return traces;
  }
  [[nodiscard]] virtual unsigned at_once() const { return 1; }
};

// Content and VMAs as a map from page to bytes; no page tables, no faults counted. Nothing of mmu but address types.
std::unique_ptr<Judge> make_reference();
// mmu with the processor of tests/model: its walk, error codes, A and D, and a TLB that drops
// nothing by itself. No KVM, deterministic.
Result<std::unique_ptr<Judge>> make_model();
// mmu with a vCPU. `backend`: "auto", "kvm", "hosted".
Result<std::unique_ptr<Judge>> make_guest(std::string_view backend);
// The Linux underneath, in processes of its own. Error: something is missing here (say what).
Result<std::unique_ptr<Judge>> make_host();

}  // namespace faultline::vmm::fuzz

// What the model says of a case, down to registers and memory, and whether what the guest wrote
// down is among it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/model/predict.hpp"
#include "vmm/conform/case.hpp"
#include "vmm/conform/runner.hpp"

namespace faultline::vmm::conform {

// The entries of a case as the model's memory.
class CaseMemory final : public model::Memory {
 public:
  explicit CaseMemory(const Case& c);
  [[nodiscard]] std::optional<std::uint64_t> entry(Gpa slot, unsigned bytes) const override;
  void store(Gpa slot, std::uint64_t value);

 private:
  std::map<std::uint64_t, std::uint64_t> entries_;
};

// One allowed end of a case.
struct Expected {
  model::Outcome outcome;
  unsigned touches_done = 0;  // of a repeated instruction: how many came before the fault
};
using Expectation = std::vector<Expected>;

// Empty: the result is not defined (the tables lead outside memory).
Expectation expect(const Case& c, const model::Cpu& cpu);
// The rule that a case is counted under.
model::Rule rule_of(const Expectation& expectation);

// How an observation differs from what is allowed: the first difference from the expected end that
// it is nearest to.
struct Difference {
  std::string what;      // stable, for grouping: "error code 0x5 instead of 0x4", "A of the PDE not set"
  std::string expected;  // "#PF 0x4 at 0x..."
  std::string got;
  model::Rule rule = model::Rule::kAllowed;
  unsigned level = 0;
};
std::optional<Difference> compare(const Case& c, const Expectation& expectation, const Observation& o);

std::string describe(const Expected& expected);
std::string describe(const Case& c, const Observation& o);
std::string_view entry_name(unsigned level);  // "PDE"

}  // namespace faultline::vmm::conform

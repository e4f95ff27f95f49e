// What each operation but the accesses does, one handler each.
#pragma once

#include "vmm/fuzz/coverage.hpp"
#include "vmm/fuzz/machine/flips.hpp"
#include "vmm/fuzz/machine/world.hpp"

namespace faultline::vmm::fuzz {

struct Step {
  World& world;
  Processor& processor;
  Flips& flips;
  CoveredControls& controls;  // as they are
  const Operation& operation;
  StepResult& result;

  [[nodiscard]] std::uint64_t number(std::size_t i) const { return static_cast<std::uint64_t>(operation.operands[i]); }
  [[nodiscard]] unsigned small(std::size_t i) const { return static_cast<unsigned>(operation.operands[i]); }
  [[nodiscard]] int flags(std::size_t i) const { return static_cast<int>(operation.operands[i]); }
  [[nodiscard]] Gva address(std::size_t i) const;
};

// Fills `result`. Error: the host failed.
using Handler = Result<void> (*)(Step& step);
// Null: an access, which is a processor's to make.
[[nodiscard]] Handler handler_of(Op op);

// The handlers of calls.cpp.
Result<void> run_map(Step& step);
Result<void> run_unmap(Step& step);
Result<void> run_protect(Step& step);
Result<void> run_remap(Step& step);
Result<void> run_advise(Step& step);
Result<void> run_lock(Step& step);
Result<void> run_unlock(Step& step);
Result<void> run_sync(Step& step);
Result<void> run_resident(Step& step);
Result<void> run_resize(Step& step);

}  // namespace faultline::vmm::fuzz

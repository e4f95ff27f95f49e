// The judges of one job, at work on a program.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "vmm/fuzz/campaign/running_program.hpp"
#include "vmm/fuzz/campaign/settings.hpp"
#include "vmm/fuzz/campaign/tally.hpp"

namespace faultline::vmm::fuzz {

// Of one judge about one program: a trace, or why there is none.
struct Opinion {
  std::optional<Trace> trace;
  std::string error;
};

class Panel {
 public:
  // Both outlive it. `running` may be null.
  Panel(Judges judges, Tally& tally, RunningProgram* running);

  [[nodiscard]] std::size_t size() const { return judges_.size(); }
  [[nodiscard]] Judge& judge(std::size_t i) { return *judges_[i]; }
  [[nodiscard]] bool is_host(std::size_t i) const { return judges_[i]->kind() == kHost; }
  // The judge whose features count: the first with page tables. size(): there is none.
  [[nodiscard]] std::size_t observer() const { return observer_; }

  Opinion ask(std::size_t judge, const Program& program);
  // Asks those that were not asked yet; the host only if `host_too`.
  void ask_all(const Program& program, bool host_too, std::vector<std::optional<Opinion>>& opinions);

 private:
  Judges judges_;
  Tally& tally_;
  RunningProgram* running_;
  std::size_t observer_;
};

}  // namespace faultline::vmm::fuzz

// `faultline fuzz run`, `minimize`, `replay` and `generate`: one program at a time.
#pragma once

#include "mmu/base/result.hpp"
#include "tools/fuzz_options.hpp"
#include "vmm/fuzz/campaign/settings.hpp"
#include "vmm/fuzz/known.hpp"

namespace faultline::tools {

// Each returns the exit status.
int fuzz_run(const FuzzOptions& options);
int fuzz_minimize(const FuzzOptions& options);
int fuzz_replay(const FuzzOptions& options);
int fuzz_generate(const FuzzOptions& options);

Result<vmm::fuzz::KnownDeviations> load_known(const std::string& file);
// The judges that were asked for; else those that this machine has, what is missing told on standard error.
Result<std::vector<std::string>> chosen_judges(const FuzzOptions& options);

// What the judges saw, side by side. `first`: the first disagreement, marked where it is.
[[nodiscard]] std::string side_by_side(const vmm::fuzz::Program& program, std::span<const vmm::fuzz::Trace> traces,
                                       const vmm::fuzz::Disagreement* first);

}  // namespace faultline::tools

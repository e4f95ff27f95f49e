// Programs out of random numbers.
#pragma once

#include <cstddef>
#include <random>

#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

struct GenerateOptions {
  unsigned operations = 24;            // at most kMaxOperations
  bool raw = false;                    // OpClass::kRaw too: for judges with page tables
  bool failures = false;               // OpClass::kFailure too
  bool forks = true;                   // OpClass::kProcess too
  unsigned windows = kWindows.size();  // the first so many of kWindows
};

// A legal program. Most of its operations hit what the ones before them mapped, wrote or
// protected; some are hostile. The same numbers give the same program with every library.
[[nodiscard]] Program generate(std::mt19937_64& random, const GenerateOptions& options);

}  // namespace faultline::vmm::fuzz

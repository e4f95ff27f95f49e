// Ladder paths of faults as folded stacks, what flamegraph.pl and speedscope read: a line
// "program;process;step;step... weight" for each distinct path. docs/export.md.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string>

#include "vmm/export/programs.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::vmm::exports {

enum class Weight : std::uint8_t {
  kNanoseconds,  // the host's time from the request to the outcome: decide and edit
  kCount,        // faults
};

class FoldedStacks {
 public:
  // Takes the event into account. Memory grows with the number of distinct paths only.
  void add(const recording::Event& event);
  // All lines, sorted. A path without any weight is left out.
  void append(fmt::memory_buffer& out, Weight weight) const;

 private:
  struct Total {
    std::uint64_t count = 0, nanoseconds = 0;
  };
  Programs programs_;
  std::map<std::string, Total> totals_;
};

}  // namespace faultline::vmm::exports

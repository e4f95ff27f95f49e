// `faultline inspect`: which recording, which view of it, in which form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "vmm/inspect/filter.hpp"

namespace CLI {
class App;
}

namespace faultline::tools {

enum class InspectView : std::uint8_t {
  kSummary,
  kTimeline,
  kFaults,
  kExit,
  kFault,
  kAt,
  kHeat,
  kDiff,
  kHtml,
  kTrace,
  kFolded,
  kTui
};
enum class InspectFormat : std::uint8_t { kText, kJsonLines, kCsv };

struct InspectOptions {
  InspectView view = InspectView::kSummary;
  InspectFormat format = InspectFormat::kText;
  std::string file;
  std::string other;  // of kDiff: what `file` is compared with
  vmm::inspect::Filter filter;
  std::uint64_t number = 0;            // of kExit, kFault and kAt
  std::optional<std::uint64_t> at_ns;  // of kAt: a time in place of the number
  std::string out;                     // of kHtml, kTrace and kFolded: a file, "-" for standard output
  bool counts = false;                 // of kFolded: a fault weighs 1, not its nanoseconds
  std::size_t top = 20;                // rows of lists that could be long; 0: all
  std::string chosen_view;             // the option that chose it; empty: none did
};

// Adds the command with its own `diff`. `options` must outlive the parsing.
CLI::App* add_inspect_command(CLI::App& app, InspectOptions& options);
// After the parsing: what CLI11 does not check. Throws CLI::ValidationError.
void check_inspect_options(const CLI::App& inspect, InspectOptions& options);

}  // namespace faultline::tools

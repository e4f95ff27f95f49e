// `faultline inspect --trace OUT` and `--folded OUT`.
#pragma once

#include <cstdint>
#include <string>

#include "vmm/inspect/filter.hpp"
#include "vmm/recording/reader.hpp"

namespace faultline::tools {

enum class ExportFormat : std::uint8_t {
  kTrace,         // Chrome trace events
  kFolded,        // folded stacks, weighed in nanoseconds
  kFoldedCounts,  // folded stacks, each fault weighs 1
};

// Writes the events that pass the filter to the file `out`, "-" for standard output. Returns 0 when
// all of it was written; else 125 after a line on standard error, or 141, silently, after a closed
// pipe. What the reader has to complain about is left to the caller.
int export_recording(vmm::recording::Reader& reader, const vmm::inspect::Filter& filter, ExportFormat format,
                     const std::string& out);

}  // namespace faultline::tools

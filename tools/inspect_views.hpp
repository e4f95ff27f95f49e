// The views of `faultline inspect`, from a reader to the output.
#pragma once

#include "tools/inspect_options.hpp"
#include "tools/output.hpp"
#include "vmm/record/format.hpp"
#include "vmm/recording/reader.hpp"

namespace faultline::tools {

// Exit statuses of inspect; also 2 and 125, as everywhere (vmm/run/exit_status.hpp).
inline constexpr int kInspectNothing = 1;  // no such event, nothing passes the filters; diff: they differ
inline constexpr int kInspectTorn = 3;     // the recording is damaged or ends early

// Appends the view that the options ask for. Returns 0, or kInspectNothing after a line on standard error.
int show_view(vmm::recording::Reader& reader, const InspectOptions& options, vmm::Colour colour, Output& output);
int show_diff(vmm::recording::Reader& a, vmm::recording::Reader& b, const InspectOptions& options, vmm::Colour colour,
              Output& output);

}  // namespace faultline::tools

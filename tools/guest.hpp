// From options to a session: what `run` and `walk` share.
#pragma once

#include <memory>

#include "tools/options.hpp"

namespace faultline::tools {

// Makes the session; on failure prints one line and returns the exit status instead.
tl::expected<std::unique_ptr<vmm::Session>, int> make_session(const GuestOptions& options,
                                                              vmm::FaultRecorder::Consumer on_fault,
                                                              std::optional<vmm::RecordOptions> record = {});

// Runs it, forwarding SIGINT, SIGTERM and SIGHUP to the guest. Prints why it ended where that
// is not simply an exit, and returns the exit status for the shell. `log` also gets the report.
int run_session(vmm::Session& session, const GuestOptions& options, vmm::FaultLog* log);

// Colours on this descriptor: a terminal, and NO_COLOR is not set.
vmm::Colour colour_for(int fd);

}  // namespace faultline::tools

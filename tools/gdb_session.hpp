// `faultline run --gdb`: the server, with the monitor commands that this program can offer.
#pragma once

#include <memory>
#include <string>

#include "vmm/gdb/server.hpp"
#include "vmm/run/session.hpp"

namespace faultline::tools {

// Listens at `place` and becomes the session's debugger: keep it as long as the session runs. On
// failure prints one line and returns the exit status instead.
tl::expected<std::unique_ptr<vmm::gdb::Server>, int> start_debugger(vmm::Session& session, const std::string& place);

}  // namespace faultline::tools

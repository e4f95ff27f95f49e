// `faultline inspect --tui FILE`.
#pragma once

#include <string>

#include "vmm/inspect/filter.hpp"
#include "vmm/recording/reader.hpp"

namespace faultline::tui {

// Shows the recording until the person quits, and returns the exit status: 2 after one line on
// standard error where there is no terminal. A signal that ends it kills this process once the
// terminal is restored.
int show_recording(vmm::recording::Reader& reader, const std::string& file, const vmm::inspect::Filter& filter);

}  // namespace faultline::tui

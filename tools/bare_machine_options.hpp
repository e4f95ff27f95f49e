// `run --multiboot` and `run --kernel`: a whole machine in the place of a Linux program.
#pragma once

#include <CLI/CLI.hpp>

#include "tools/options.hpp"

namespace faultline::tools {

void add_multiboot_options(CLI::App* run, MultibootOptions& options);
void add_kernel_options(CLI::App* run, KernelOptions& options);

// What was parsed, complete. `guest`: the options of `run` itself, of which few make sense here; the
// others are refused. `behind`: the words that follow a "--".
MultibootOptions take_multiboot(CLI::App* run, MultibootOptions options, const GuestOptions& guest,
                                const std::vector<std::string>& behind);
KernelOptions take_kernel(CLI::App* run, KernelOptions options, const GuestOptions& guest,
                          const std::vector<std::string>& behind);

}  // namespace faultline::tools

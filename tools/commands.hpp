// The commands. Each returns the exit status.
#pragma once

#include "tools/options.hpp"

namespace faultline::tools {

int run_command(const RunOptions& options);
int multiboot_command(const MultibootOptions& options);
int kernel_command(const KernelOptions& options);
int walk_command(const WalkOptions& options);
int inspect_command(const InspectOptions& options);
int doctor_command(const DoctorOptions& options);
int conform_command(const ConformOptions& options);
int fuzz_command(const FuzzOptions& options);

}  // namespace faultline::tools

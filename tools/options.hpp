// The command line, parsed. Each command is a struct of plain values.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tools/fuzz_options.hpp"
#include "tools/inspect_options.hpp"
#include "vmm/record/fault_log.hpp"
#include "vmm/run/session.hpp"

namespace faultline::tools {

// What `run` and `walk` share: which guest to make.
struct GuestOptions {
  vmm::MachineConfig machine;
  vmm::RunLimits limits;
  std::size_t max_processes = vmm::linux_abi::ProcessTable::kDefaultMax;
  LinuxVersion linux_version;            // which Linux the guest meets
  std::vector<std::string> environment;  // NAME=value, or NAME to take the host's
  bool clear_environment = false;
  std::string root;  // empty: the host's
  bool read_only = false;
  bool no_files = false;
  bool quiet = false;  // no report when the guest is killed
  std::vector<std::string> command;
};

struct RunOptions {
  GuestOptions guest;
  std::string fault_log;  // empty: none
  vmm::LogFormat fault_format = vmm::LogFormat::kText;
  std::string record;  // empty: none
  bool record_registers = false;
  std::uint64_t record_limit = 0;  // bytes; 0: none
  bool strace = false;
  bool statistics = false;
  std::string statistics_json;                               // empty: none
  std::chrono::nanoseconds statistics_interval{0};           // 0: at the end only
  vmm::LogFormat statistics_format = vmm::LogFormat::kText;  // of what is printed at intervals
  std::string gdb;                                           // where to wait for a debugger; empty: none
};

// `run --multiboot`.
struct MultibootOptions {
  std::uint64_t memory_bytes = 1ULL << 30;
  vmm::RunLimits limits;
  std::string image;
  std::string module;                  // empty: none
  std::vector<std::string> arguments;  // of the kernel's command line
};

// `run --kernel`.
struct KernelOptions {
  vmm::MachineConfig machine;
  vmm::RunLimits limits;
  LinuxVersion linux_version;
  std::string program;
  std::string oops_json;  // empty: none
  std::vector<std::uint64_t> arguments;
};

struct WalkOptions {
  GuestOptions guest;
  std::vector<std::uint64_t> addresses;
  bool tree = false, vmas = false;
};

struct DoctorOptions {
  bool json = false;
};

struct ConformOptions {
  std::uint64_t cases = 250'000, seed = 1;
  bool full = false;
  std::optional<std::uint64_t> number;  // explain this one case
  std::string rule, feature, section;   // empty: all
  std::string baseline;                 // a file, "none", or empty: the built-in one
  std::string junit;                    // empty: none
  bool json = false, list = false, model_only = false;
};

// The command line ended by itself (--help, --version, a usage error): leave with the status.
struct Finished {
  int status = 0;
};

using Command = std::variant<RunOptions, MultibootOptions, KernelOptions, WalkOptions, InspectOptions, DoctorOptions,
                             ConformOptions, FuzzOptions, Finished>;

// Prints help, version or the one line of a usage error itself.
Command parse_command_line(int argc, char** argv);

}  // namespace faultline::tools

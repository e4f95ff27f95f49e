#include "tools/bare_machine_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "tools/option_parsing.hpp"
#include "tools/size.hpp"
#include "vmm/kernel/layout.hpp"
#include "vmm/multiboot/guest.hpp"

namespace faultline::tools {

namespace {

constexpr std::string_view kWithMultiboot[] = {"--multiboot",  "--module",     "--memory",
                                               "--time-limit", "--exit-limit", "--backend"};
constexpr std::string_view kWithKernel[] = {"--kernel",      "--oops-json", "--memory", "--time-limit", "--exit-limit",
                                            "--storm-limit", "--paging",    "--linux",  "--sink",       "--backend"};

// Refuses what makes no sense beside `mode`: options that `allowed` does not name, the backend without
// KVM, and words before the "--", behind which `wanted` is to follow.
void check_words(CLI::App* run, std::string_view mode, std::span<const std::string_view> allowed,
                 std::string_view wanted, const GuestOptions& guest) {
  for (const CLI::Option* option : run->get_options()) {
    const std::string name = option->get_name();
    const bool hosted = name == "--backend" && guest.machine.backend == "hosted";
    if (option->count() == 0 || (std::ranges::find(allowed, name) != allowed.end() && !hosted)) continue;
    usage(fmt::format("{}{} does not go with {}", name, hosted ? " hosted" : "", mode));
  }
  const auto extra = run->remaining();
  if (extra.empty()) return;
  if (extra.front().starts_with("-")) usage("unknown option " + extra.front());
  usage(fmt::format("{} a --: '{}'", wanted, extra.front()));
}

void check_memory(const GuestOptions& guest, std::uint64_t most, std::string_view mode) {
  if (guest.machine.memory_bytes > most) usage(fmt::format("--memory: at most 3G with {}", mode));
}

}  // namespace

void add_multiboot_options(CLI::App* run, MultibootOptions& options) {
  run->add_option("--multiboot", options.image,
                  "Boot FILE, a 32-bit multiboot kernel, in place of PROGRAM; what follows -- is its command line")
      ->type_name("FILE");
  run->add_option("--module", options.module, "The kernel's module (with --multiboot)")->type_name("FILE");
}

void add_kernel_options(CLI::App* run, KernelOptions& options) {
  run->add_option("--kernel", options.program,
                  "Run FILE, a freestanding kernel program, at CPL0 in place of PROGRAM; numbers for it follow --")
      ->type_name("FILE");
  run->add_option("--oops-json", options.oops_json, "Write what it died of as JSON to FILE (with --kernel)")
      ->type_name("FILE");
}

MultibootOptions take_multiboot(CLI::App* run, MultibootOptions options, const GuestOptions& guest,
                                const std::vector<std::string>& behind) {
  check_words(run, "--multiboot", kWithMultiboot, "the kernel's command line follows", guest);
  if (options.image.empty()) usage("--multiboot: FILE is empty");
  check_memory(guest, vmm::multiboot::kMaxMemory, "--multiboot");
  options.memory_bytes = guest.machine.memory_bytes;
  options.limits = guest.limits;
  options.arguments = behind;
  return options;
}

KernelOptions take_kernel(CLI::App* run, KernelOptions options, const GuestOptions& guest,
                          const std::vector<std::string>& behind) {
  check_words(run, "--kernel", kWithKernel, "the program's numbers follow", guest);
  if (options.program.empty()) usage("--kernel: FILE is empty");
  check_memory(guest, vmm::kernel::kMaxMemory, "--kernel");
  options.machine = guest.machine;
  options.limits = guest.limits;
  options.linux_version = guest.linux_version;
  for (const std::string& word : behind) {
    const auto number = parse_count(word);
    if (!number) usage(fmt::format("'{}' is not a number for the kernel program", word));
    options.arguments.push_back(*number);
  }
  return options;
}

}  // namespace faultline::tools

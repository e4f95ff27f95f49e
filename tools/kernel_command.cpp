// `faultline run --kernel`.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "tools/commands.hpp"
#include "tools/complain.hpp"
#include "tools/console_output.hpp"
#include "tools/host_signals.hpp"
#include "vmm/kernel/guest.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

namespace {

namespace kernel = vmm::kernel;

constexpr off_t kMaxFile = 256 << 20;

// On failure prints one line and returns the exit status instead.
tl::expected<std::vector<std::byte>, int> read_file(const std::string& path) {
  const auto refuse = [&](int error) {
    complain(fmt::format("{}: {}", path, std::strerror(error)));
    return tl::unexpected(error == ENOENT || error == ENOTDIR ? vmm::kExitNotFound : vmm::kExitCannotRun);
  };
  const vmm::FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) return refuse(errno);
  if (!S_ISREG(info.st_mode)) return refuse(S_ISDIR(info.st_mode) ? EISDIR : EINVAL);
  if (info.st_size > kMaxFile) return refuse(EFBIG);
  std::vector<std::byte> bytes(static_cast<std::size_t>(info.st_size));
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t got = ::read(fd.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0) return refuse(errno);
    if (got == 0) bytes.resize(done);  // it became shorter
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

void write_error(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

bool write_record(const std::string& path, const std::string& json) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  bool written = file != nullptr && std::fputs((json + "\n").c_str(), file) >= 0;
  int error = errno;
  if (file != nullptr && std::fclose(file) != 0 && written) {
    written = false;
    error = errno;
  }
  if (!written) complain(fmt::format("--oops-json: {}: {}", path, std::strerror(error)));
  return written;
}

struct Conclude {
  const KernelOptions& options;
  int operator()(const kernel::Exited& end) const { return end.status; }
  int operator()(const kernel::Oopsed& end) const {
    write_error(kernel::to_text(end.oops));
    if (!options.oops_json.empty() && !write_record(options.oops_json, kernel::to_json(end.oops)))
      return vmm::kExitHarness;
    return vmm::kExitOops;
  }
  int operator()(const kernel::Limited& end) const {
    complain(fmt::format("{}: stopped by the {} at {}", options.program, vmm::name(end.kind), end.where));
    return vmm::kExitLimit;
  }
  int operator()(const kernel::Stopped& end) const { return 128 + end.signal; }
  int operator()(const kernel::Died& end) const {
    complain(fmt::format("{}: the vCPU died: {}", options.program, end.why));
    return vmm::kExitVcpuDied;
  }
};

}  // namespace

int kernel_command(const KernelOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto file = read_file(options.program);
  if (!file) return file.error();
  kernel::GuestConfig config;
  config.machine = options.machine;
  config.behaviour = LinuxBehaviour::of(options.linux_version);
  config.arguments = options.arguments;
  config.program = options.program;
  ConsoleOutput output;
  config.console = [&output](std::string_view text) { output.write(text); };
  config.log = write_error;
  auto guest = kernel::Guest::create(std::move(config), *file);
  if (!guest) {
    complain(fmt::format("{}: {}", options.program, guest.error().message));
    return guest.error().bad_program ? vmm::kExitCannotRun : vmm::kExitHarness;
  }
  output.give_up_when([&guest] { return (*guest)->stopping(); });
  const auto end = [&] {
    const HostSignals signals = stop_on_signals(**guest);
    return (*guest)->run(options.limits);
  }();
  if (!end) {
    complain(fmt::format("{}: {}", options.program, end.error().message));
    return vmm::kExitHarness;
  }
  return output.finish(std::visit(Conclude{options}, *end));
}

}  // namespace faultline::tools

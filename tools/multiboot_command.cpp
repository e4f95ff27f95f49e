#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "tools/commands.hpp"
#include "tools/complain.hpp"
#include "tools/console_output.hpp"
#include "tools/host_signals.hpp"
#include "vmm/multiboot/guest.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

namespace {

namespace multiboot = vmm::multiboot;

// A file, mapped: its pages are read when they are copied into the guest.
class MappedFile {
 public:
  // On failure prints one line and returns the exit status instead.
  static tl::expected<MappedFile, int> open(const std::string& path) {
    const vmm::FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat info {};
    if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
      const int error = errno;
      complain(fmt::format("{}: {}", path, std::strerror(error)));
      return tl::unexpected(error == ENOENT || error == ENOTDIR ? vmm::kExitNotFound : vmm::kExitCannotRun);
    }
    if (!S_ISREG(info.st_mode)) {
      complain(fmt::format("{}: not a regular file", path));
      return tl::unexpected(vmm::kExitCannotRun);
    }
    MappedFile file;
    const auto bytes = static_cast<std::size_t>(info.st_size);
    if (bytes == 0) return file;
    void* data = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (data == MAP_FAILED) {
      complain(fmt::format("{}: {}", path, std::strerror(errno)));
      return tl::unexpected(vmm::kExitHarness);
    }
    file.mapping_ = vmm::Mapping(data, bytes);
    return file;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return mapping_.bytes(); }

 private:
  vmm::Mapping mapping_;
};

int conclude(const multiboot::Exited& end, const std::string&) { return vmm::DebugExit::status_of(end.value); }
int conclude(const multiboot::Limited& end, const std::string& name) {
  complain(fmt::format("{}: stopped by the {}; {}", name, vmm::name(end.kind), end.where));
  return vmm::kExitLimit;
}
int conclude(const multiboot::Stopped& end, const std::string&) { return 128 + end.signal; }
int conclude(const multiboot::Died& end, const std::string& name) {
  complain(fmt::format("{}: the vCPU died: {}", name, end.why));
  return vmm::kExitVcpuDied;
}

int refuse(const std::string& name, const Error& error, int status) {
  complain(fmt::format("{}: {}", name, error.message));
  return status;
}

std::string command_line(const MultibootOptions& options) {
  std::string line = options.image;
  for (const std::string& argument : options.arguments) line += " " + argument;
  return line;
}

}  // namespace

int multiboot_command(const MultibootOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto file = MappedFile::open(options.image);
  if (!file) return file.error();
  std::optional<MappedFile> module_file;
  std::optional<multiboot::Module> module;
  if (!options.module.empty()) {
    auto opened = MappedFile::open(options.module);
    if (!opened) return opened.error();
    module_file = std::move(*opened);
    module = multiboot::Module{options.module, module_file->bytes()};
  }
  const auto image = multiboot::parse_image(file->bytes(), options.memory_bytes);
  if (!image) return refuse(options.image, image.error(), vmm::kExitCannotRun);

  ConsoleOutput output;
  multiboot::GuestConfig config;
  config.memory_bytes = options.memory_bytes;
  config.serial = [&output](std::string_view text) { output.write(text); };
  auto guest = multiboot::Guest::create(config);
  if (!guest) return refuse("--multiboot", guest.error(), vmm::kExitHarness);
  output.give_up_when([&guest] { return (*guest)->ending(); });
  if (auto loaded = (*guest)->load(*image, command_line(options), module); !loaded)
    return refuse(options.image, loaded.error(), vmm::kExitCannotRun);
  const auto end = [&] {
    const HostSignals signals = stop_on_signals(**guest);
    return (*guest)->run(options.limits);
  }();
  if (!end) return refuse(options.image, end.error(), vmm::kExitHarness);
  return output.finish(std::visit([&](const auto& e) { return conclude(e, options.image); }, *end));
}

}  // namespace faultline::tools

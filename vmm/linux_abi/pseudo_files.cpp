#include "vmm/linux_abi/pseudo_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <charconv>
#include <iterator>
#include <string_view>

namespace faultline::vmm::linux_abi {
namespace {

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

bool strip(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<PseudoFile> descriptor(std::string_view name) {
  const auto fd = number(name);
  return fd ? std::optional(PseudoFile{PseudoKind::kDescriptor, *fd}) : std::nullopt;
}

// An entry of the guest's own /proc/PID.
std::optional<PseudoFile> process_entry(std::string_view name) {
  if (name == "exe") return PseudoFile{PseudoKind::kExe};
  if (name == "cwd") return PseudoFile{PseudoKind::kCwd};
  if (name == "root") return PseudoFile{PseudoKind::kRoot};
  if (name == "maps") return PseudoFile{PseudoKind::kMaps};
  if (strip(name, "fd/")) return descriptor(name);
  return std::nullopt;
}

}  // namespace

std::optional<PseudoFile> pseudo_file(const Task& task, const std::string& absolute) {
  std::string_view path = absolute;
  if (strip(path, "/dev/")) {
    if (path == "stdin") return PseudoFile{PseudoKind::kDescriptor, 0};
    if (path == "stdout") return PseudoFile{PseudoKind::kDescriptor, 1};
    if (path == "stderr") return PseudoFile{PseudoKind::kDescriptor, 2};
    return strip(path, "fd/") ? descriptor(path) : std::nullopt;
  }
  const std::string pid = fmt::format("{}/", task.config().pid);
  if (!strip(path, "/proc/")) return std::nullopt;
  if (strip(path, "thread-self/")) return process_entry(path);
  if (!strip(path, "self/") && !strip(path, pid)) return std::nullopt;
  strip(path, "task/" + pid);
  return process_entry(path);
}

SysResult<std::string> pseudo_link(Task& task, const PseudoFile& file) {
  switch (file.kind) {
    case PseudoKind::kExe: return task.config().program_path;
    case PseudoKind::kCwd: return task.file_system().cwd();
    case PseudoKind::kRoot: return std::string("/");
    case PseudoKind::kMaps: return sys_error(EINVAL);
    case PseudoKind::kDescriptor: break;
  }
  auto open = task.files().get(file.fd);
  if (!open) return sys_error(ENOENT);
  std::string text = task.file_system().describe((*open)->host_fd());
  if (text.empty()) return sys_error(ENOENT);
  return text;
}

std::string maps_text(const mmu::AddressSpace& mm) {
  std::string out;
  for (const auto& [start, vma] : mm.vmas) {
    const auto id = vma.file ? vma.file->file().id() : mmu::FileId{};
    const std::uint64_t offset = vma.file ? vma.pgoff.raw() << kPageShift : 0;
    const auto device = static_cast<dev_t>(id.device);
    std::string line = fmt::format("{:08x}-{:08x} {} {:08x} {:02x}:{:02x} {} ", vma.start.raw(), vma.end.raw(),
                                   vma.flags.text(), offset, major(device), minor(device), id.inode);
    const bool heap = !vma.file && vma.start < mm.brk && vma.end > mm.start_brk && vma.name.empty();
    const std::string_view name = heap ? std::string_view("[heap]") : std::string_view(vma.name);
    constexpr std::size_t kNameColumn = 73;
    if (!name.empty()) line.resize(std::max(line.size(), kNameColumn), ' ');
    out += line;
    out += name;
    out += '\n';
  }
  return out;
}

SysResult<OwnedFd> text_file(const std::string& text) {
  OwnedFd fd(::memfd_create("proc", MFD_CLOEXEC));
  if (!fd) return sys_error(errno);
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::pwrite(fd.get(), text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_error(errno);
    done += static_cast<std::size_t>(n);
  }
  OwnedFd reader(::open(fmt::format("/proc/self/fd/{}", fd.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!reader) return sys_error(errno);
  return reader;
}

}  // namespace faultline::vmm::linux_abi

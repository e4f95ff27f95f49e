#include "vmm/linux_abi/pseudo_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

#include "vmm/linux_abi/virtual_file.hpp"

namespace faultline::vmm::linux_abi {
namespace {

using proc::Node;
using proc::NodeKind;

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// /dev/stdin, /dev/fd/N: links to /proc/self/fd/N.
std::optional<int> dev_descriptor(std::string_view name) {
  if (name == "stdin") return 0;
  if (name == "stdout") return 1;
  if (name == "stderr") return 2;
  return name.starts_with("fd/") ? number(name.substr(3)) : std::nullopt;
}

// An empty file that cannot change, opened with the flags of the guest's: what fcntl and poll
// are asked about.
SysResult<FileDescriptor> placeholder(int flags) {
  FileDescriptor made(::memfd_create("proc", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!made) return sys_error(errno);
  if (::fcntl(made.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) return sys_error(errno);
  if ((flags & O_PATH) != 0) return made;
  constexpr int kKept = O_ACCMODE | O_NONBLOCK | O_APPEND;
  FileDescriptor fd(::open(fmt::format("/proc/self/fd/{}", made.get()).c_str(), (flags & kKept) | O_CLOEXEC));
  if (!fd) return sys_error(errno);
  return fd;
}

int access_of(int flags) {
  switch (flags & O_ACCMODE) {
    case O_RDONLY: return R_OK;
    case O_WRONLY: return W_OK;
    default: return R_OK | W_OK;
  }
}

}  // namespace

std::optional<Node> pseudo_file(Task& task, const std::string& absolute) {
  constexpr std::string_view kDev = "/dev/";
  if (!absolute.starts_with(kDev)) return proc::find_node(task, absolute);
  const auto fd = dev_descriptor(std::string_view(absolute).substr(kDev.size()));
  return fd ? proc::find_node(task, fmt::format("/proc/self/fd/{}", *fd)) : std::nullopt;
}

bool is_link(const Node& node) { return node.kind != NodeKind::kFile && node.kind != NodeKind::kDirectory; }

SysResult<std::string> pseudo_link(Task& task, const Node& node) {
  const int self = task.config().pid;
  if (node.kind == NodeKind::kSelf) return fmt::format("{}", self);
  if (node.kind == NodeKind::kThreadSelf) return fmt::format("{0}/task/{0}", self);
  if (!is_link(node)) return sys_error(EINVAL);
  Task* subject = proc::find_process(task, node.pid);
  if (subject == nullptr) return sys_error(ENOENT);
  if (node.kind == NodeKind::kExe) return subject->config().program_path;
  if (node.kind == NodeKind::kCwd) return subject->file_system().cwd();
  if (node.kind == NodeKind::kRoot) return std::string("/");
  auto open = subject->files().get(node.fd);
  if (!open) return sys_error(ENOENT);
  if ((*open)->virtual_file() != nullptr) return (*open)->virtual_file()->path();
  std::string text = subject->file_system().describe((*open)->host_fd());
  if (text.empty()) return sys_error(ENOENT);
  return text;
}

std::optional<Node> followed(Task& task, const Node& node) {
  if (node.kind == NodeKind::kSelf || node.kind == NodeKind::kThreadSelf)
    return proc::find_node(task, "/proc/" + *pseudo_link(task, node));
  if (node.kind != NodeKind::kDescriptor) return std::nullopt;
  Task* subject = proc::find_process(task, node.pid);
  const auto open = subject == nullptr ? sys_error(ENOENT) : subject->files().get(node.fd);
  if (!open || (*open)->virtual_file() == nullptr) return std::nullopt;
  return proc::find_node(task, (*open)->virtual_file()->path());
}

SysResult<void> may_access(Task& task, const VirtualAttributes& attributes, int mode) {
  const std::uint32_t bits = attributes.mode;
  if (task.config().euid == 0) {  // CAP_DAC_OVERRIDE
    const bool runs = S_ISDIR(bits) || (bits & 0111) != 0;
    return (mode & X_OK) == 0 || runs ? SysResult<void>{} : sys_error(EACCES);
  }
  const unsigned shift = task.config().euid == attributes.uid ? 6 : task.config().egid == attributes.gid ? 3 : 0;
  const auto wanted = static_cast<std::uint32_t>(mode & 7);
  return ((bits >> shift) & wanted) == wanted ? SysResult<void>{} : sys_error(EACCES);
}

SysResult<std::shared_ptr<OpenFile>> open_virtual(Task& task, const Node& node, int flags) {
  const bool folder = node.kind == NodeKind::kDirectory, path_only = (flags & O_PATH) != 0;
  if ((flags & O_DIRECTORY) != 0 && !folder) return sys_error(ENOTDIR);
  if (folder && !path_only && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0)) return sys_error(EISDIR);
  auto file = proc::make_file(task, node);
  if (!file) return tl::unexpected(file.error());
  if (!path_only) {
    if (auto may = may_access(task, (*file)->attributes(), access_of(flags)); !may) return tl::unexpected(may.error());
  }
  auto fd = placeholder(flags);
  if (!fd) return tl::unexpected(fd.error());
  return std::make_shared<OpenFile>(std::move(*file), std::move(*fd), flags);
}

}  // namespace faultline::vmm::linux_abi

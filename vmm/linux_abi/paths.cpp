#include "vmm/linux_abi/paths.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <climits>

#include "vmm/linux_abi/pseudo_files.hpp"

namespace faultline::vmm::linux_abi {
namespace {

HostPath host_descriptor(int host_fd) { return HostPath{{}, AT_FDCWD, fmt::format("/proc/self/fd/{}", host_fd)}; }

// What a call that follows links finds behind a pseudo-file. A file or directory that is made up
// stands there as an empty one of the host's: its attributes are the caller's business.
SysResult<HostPath> behind(Task& task, const proc::Node& node) {
  using proc::NodeKind;
  if (!is_link(node) || followed(task, node)) {
    auto file = open_virtual(task, is_link(node) ? *followed(task, node) : node, O_PATH);
    if (!file) return tl::unexpected(file.error());
    FileDescriptor fd(::fcntl((*file)->host_fd(), F_DUPFD_CLOEXEC, 0));
    if (!fd) return sys_error(errno);
    HostPath path = host_descriptor(fd.get());
    path.hold = std::move(fd);
    return path;
  }
  Task* subject = proc::find_process(task, node.pid);
  if (subject == nullptr) return sys_error(ENOENT);
  const FileSystem& fs = subject->file_system();
  if (node.kind == NodeKind::kExe)
    return fs.resolve(subject->files(), AT_FDCWD, subject->config().program_path, LastLink::kFollow);
  if (node.kind == NodeKind::kCwd) return fs.resolve(subject->files(), AT_FDCWD, ".", LastLink::kFollow);
  if (node.kind == NodeKind::kRoot) return fs.resolve(subject->files(), AT_FDCWD, "/", LastLink::kFollow);
  auto file = subject->files().get(node.fd);
  if (!file) return sys_error(ENOENT);
  return host_descriptor((*file)->host_fd());
}

// The path of an *at() call. With AT_EMPTY_PATH a null pointer is an empty one.
SysResult<std::string> at_path(Task& task, Gva path, int at_flags) {
  if ((at_flags & AT_EMPTY_PATH) != 0 && path == Gva(0)) return std::string();
  return path_from_user(task, path);
}

}  // namespace

SysResult<std::string> path_from_user(Task& task, Gva address) {
  return mmu::string_from_user(task.mm(), address, PATH_MAX - 1);
}

SysResult<HostPath> resolve_path(Task& task, int dirfd, const std::string& path, LastLink last) {
  if (last == LastLink::kFollow) {
    if (const auto absolute = task.file_system().absolute(task.files(), dirfd, path)) {
      if (const auto pseudo = pseudo_file(task, *absolute)) return behind(task, *pseudo);
    }
  }
  return task.file_system().resolve(task.files(), dirfd, path, last);
}

SysResult<HostPath> resolve_at(Task& task, int dirfd, Gva path, int at_flags) {
  auto text = at_path(task, path, at_flags);
  if (!text) return tl::unexpected(text.error());
  if (text->empty() && (at_flags & AT_EMPTY_PATH) != 0) {
    if (dirfd == AT_FDCWD) return task.file_system().resolve(task.files(), AT_FDCWD, ".", LastLink::kFollow);
    auto file = task.files().get(dirfd);
    if (!file) return tl::unexpected(file.error());
    return host_descriptor((*file)->host_fd());
  }
  const bool nofollow = (at_flags & AT_SYMLINK_NOFOLLOW) != 0;
  return resolve_path(task, dirfd, *text, nofollow ? LastLink::kNoFollow : LastLink::kFollow);
}

SysResult<std::optional<VirtualAttributes>> virtual_at(Task& task, int dirfd, Gva path, int at_flags) {
  using Found = std::optional<VirtualAttributes>;
  const auto text = at_path(task, path, at_flags);
  if (!text) return tl::unexpected(text.error());
  if (text->empty()) {
    const auto file = task.files().get(dirfd);
    const bool made_up = (at_flags & AT_EMPTY_PATH) != 0 && file && (*file)->virtual_file() != nullptr;
    return made_up ? Found((*file)->virtual_file()->attributes()) : Found();
  }
  const auto absolute = task.file_system().absolute(task.files(), dirfd, *text);
  auto node = absolute ? pseudo_file(task, *absolute) : std::nullopt;
  if (!node) return Found();
  if (is_link(*node)) {
    const bool of_proc = absolute->starts_with("/proc/");  // /dev/stdin is a link of the host's
    const bool itself = (at_flags & AT_SYMLINK_NOFOLLOW) != 0 && text->back() != '/';
    if (itself) return of_proc ? Found(proc::attributes_of(task, *node)) : Found();
    node = followed(task, *node);
  }
  return node ? Found(proc::attributes_of(task, *node)) : Found();
}

}  // namespace faultline::vmm::linux_abi

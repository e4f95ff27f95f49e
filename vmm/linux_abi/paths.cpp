#include "vmm/linux_abi/paths.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <climits>

#include "vmm/linux_abi/pseudo_files.hpp"

namespace faultline::vmm::linux_abi {
namespace {

HostPath host_descriptor(int host_fd) { return HostPath{{}, AT_FDCWD, fmt::format("/proc/self/fd/{}", host_fd)}; }

// What a call that follows links finds behind a pseudo-file.
SysResult<HostPath> behind(Task& task, const PseudoFile& pseudo) {
  const FileSystem& fs = task.file_system();
  switch (pseudo.kind) {
    case PseudoKind::kExe: return fs.resolve(task.files(), AT_FDCWD, task.config().program_path, LastLink::kFollow);
    case PseudoKind::kCwd: return fs.resolve(task.files(), AT_FDCWD, ".", LastLink::kFollow);
    case PseudoKind::kRoot: return fs.resolve(task.files(), AT_FDCWD, "/", LastLink::kFollow);
    case PseudoKind::kMaps: {
      auto text = text_file({});
      if (!text) return tl::unexpected(text.error());
      HostPath path = host_descriptor(text->get());
      path.hold = std::move(*text);
      return path;
    }
    case PseudoKind::kDescriptor: break;
  }
  auto file = task.files().get(pseudo.fd);
  if (!file) return sys_error(ENOENT);
  return host_descriptor((*file)->host_fd());
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
  const bool may_be_empty = (at_flags & AT_EMPTY_PATH) != 0;
  std::string text;
  if (!may_be_empty || path != Gva(0)) {  // with AT_EMPTY_PATH a null pointer is an empty path
    auto read = path_from_user(task, path);
    if (!read) return tl::unexpected(read.error());
    text = std::move(*read);
  }
  if (text.empty() && may_be_empty) {
    if (dirfd == AT_FDCWD) return task.file_system().resolve(task.files(), AT_FDCWD, ".", LastLink::kFollow);
    auto file = task.files().get(dirfd);
    if (!file) return tl::unexpected(file.error());
    return host_descriptor((*file)->host_fd());
  }
  const bool nofollow = (at_flags & AT_SYMLINK_NOFOLLOW) != 0;
  return resolve_path(task, dirfd, text, nofollow ? LastLink::kNoFollow : LastLink::kFollow);
}

}  // namespace faultline::vmm::linux_abi

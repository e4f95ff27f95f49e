#include "vmm/linux_abi/file_system.hpp"

#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstring>

#include "vmm/linux_abi/file_table.hpp"
#include "vmm/linux_abi/virtual_file.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr int kKnownFlags = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC |
                            O_SYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE;
constexpr int kPathFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr int kTmpfileBit = O_TMPFILE & ~O_DIRECTORY;

bool creates(int flags) { return (flags & O_CREAT) != 0 || (flags & kTmpfileBit) != 0; }
bool changes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0 || creates(flags); }

SysResult<FileDescriptor> host_openat2(int dirfd, const std::string& path, int flags, std::uint32_t mode,
                                       std::uint64_t resolve) {
  open_how how{};
  constexpr int kLargeFile = 0100000;  // open(2) adds it for 64-bit callers, openat2(2) does not
  how.flags =
      static_cast<std::uint64_t>(((flags & O_PATH) != 0 ? flags & kPathFlags : flags & kKnownFlags) | O_CLOEXEC);
  if ((flags & O_PATH) == 0) how.flags |= O_NOCTTY | kLargeFile;
  how.mode = creates(flags) && (flags & O_PATH) == 0 ? mode & 07777 : 0;
  how.resolve = resolve;
  // RESOLVE_IN_ROOT gives EAGAIN when a rename raced with "..".
  for (int attempt = 0;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, dirfd, path.c_str(), &how, sizeof how);
    if (fd >= 0) return FileDescriptor(static_cast<int>(fd));
    if (errno != EINTR && (errno != EAGAIN || attempt >= 32)) return sys_error(errno);
  }
}

SysResult<std::string> link_of(int host_fd) {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t n = ::readlink(fmt::format("/proc/self/fd/{}", host_fd).c_str(), buffer.data(), buffer.size());
  if (n < 0) return sys_error(errno);
  return std::string(buffer.data(), static_cast<std::size_t>(n));
}

// Folds "//", "." and ".." of an absolute path by its text alone.
std::string fold(const std::string& path) {
  std::string out;
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      out.erase(out.empty() ? 0 : out.rfind('/'));
    } else {
      out += '/' + part;
    }
  }
  return out.empty() ? "/" : out;
}

}  // namespace

UmaskGuard::UmaskGuard(std::uint32_t mask) : saved_(::umask(mask)) {}
UmaskGuard::~UmaskGuard() { ::umask(saved_); }

Result<FilesPolicy> FilesPolicy::rooted_at(const std::string& folder, bool read_only) {
  FileDescriptor fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(fmt::format("{}: {}", folder, std::strerror(errno)));
  return FilesPolicy{FilesMode::kRoot, std::make_shared<const FileDescriptor>(std::move(fd)), read_only};
}

Result<FileSystem> FileSystem::create(FilesPolicy policy) {
  FileDescriptor cwd;
  if (policy.mode == FilesMode::kHost) {
    cwd = FileDescriptor(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!cwd) return fail(fmt::format("current directory: {}", std::strerror(errno)));
  } else if (policy.mode == FilesMode::kRoot) {
    cwd = FileDescriptor(::fcntl(policy.root->get(), F_DUPFD_CLOEXEC, 0));
    if (!cwd) return fail(fmt::format("root folder: {}", std::strerror(errno)));
  }
  FileSystem fs(std::move(policy), std::move(cwd));
  fs.umask = ::umask(0);  // there is no way to read it but to set it
  ::umask(fs.umask);
  return fs;
}

SysResult<void> FileSystem::may_change() const {
  if (policy_.mode == FilesMode::kNone) return sys_error(EACCES);
  if (policy_.read_only) return sys_error(EROFS);
  return {};
}

SysResult<int> FileSystem::base_of(const FileTable& files, int dirfd) const {
  if (dirfd == AT_FDCWD) return cwd_->get();
  auto file = files.get(dirfd);
  if (!file) return tl::unexpected(file.error());
  return (*file)->host_fd();
}

SysResult<FileDescriptor> FileSystem::lookup(const FileTable& files, int dirfd, const std::string& path, int flags,
                                             std::uint32_t mode) const {
  if (policy_.mode == FilesMode::kNone) return sys_error(creates(flags) ? EACCES : ENOENT);
  if (path.empty()) return sys_error(ENOENT);
  const bool is_absolute = path.front() == '/';
  auto base = is_absolute ? SysResult<int>(AT_FDCWD) : base_of(files, dirfd);
  if (!base) return tl::unexpected(base.error());

  const UmaskGuard guard(umask);
  int start = *base;
  std::string name = path;
  std::uint64_t resolve = RESOLVE_NO_MAGICLINKS;
  if (policy_.mode != FilesMode::kHost) {
    // The root is where the lookup must start: the base goes in as text.
    auto where = is_absolute ? SysResult<std::string>("") : guest_path(*base);
    if (!where) return tl::unexpected(where.error());
    start = policy_.root->get();
    name = *where + "/" + path;
    resolve |= RESOLVE_IN_ROOT;
  }
  auto fd = host_openat2(start, name, flags, mode, resolve);
  if (!fd && fd.error() == Errno(EACCES)) {
    // What we may not open ourselves must not be told apart from what is not there.
    const auto found = host_openat2(start, name, O_PATH, 0, resolve);
    if (found && is_hidden_proc_entry(found->get())) return sys_error(ENOENT);
  }
  if (fd && is_hidden_proc_entry(fd->get())) return sys_error(ENOENT);
  if (fd && (flags & O_PATH) == 0 && changes(flags) && is_proc(fd->get())) return sys_error(EACCES);
  return fd;
}

SysResult<FileDescriptor> FileSystem::open(const FileTable& files, int dirfd, const std::string& path, int flags,
                                           std::uint32_t mode) const {
  if (policy_.read_only && (flags & O_PATH) == 0 && changes(flags)) return open_read_only(files, dirfd, path, flags);
  return lookup(files, dirfd, path, flags, mode);
}

// As on a read-only mount: what exists may be opened O_CREAT|O_RDONLY, and devices and pipes
// may be written.
SysResult<FileDescriptor> FileSystem::open_read_only(const FileTable& files, int dirfd, const std::string& path,
                                                     int flags) const {
  if ((flags & kTmpfileBit) != 0) return sys_error(EROFS);
  const int nofollow = (flags & O_NOFOLLOW) != 0 || ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) ? O_NOFOLLOW : 0;
  auto found = lookup(files, dirfd, path, O_PATH | nofollow, 0);
  if (!found) {
    const bool missing = found.error() == Errno(ENOENT) && (flags & O_CREAT) != 0 && policy_.mode != FilesMode::kNone;
    if (missing) return sys_error(EROFS);
    return found;
  }
  if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return sys_error(EEXIST);
  struct stat st {};
  if (::fstat(found->get(), &st) != 0) return sys_error(errno);
  const bool written = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
  const bool special = S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode);
  if (written && !special) return sys_error(S_ISDIR(st.st_mode) ? EISDIR : EROFS);
  return lookup(files, dirfd, path, flags & ~(O_CREAT | O_EXCL | O_TRUNC), 0);
}

SysResult<HostPath> FileSystem::resolve(const FileTable& files, int dirfd, const std::string& path,
                                        LastLink last) const {
  if (policy_.mode == FilesMode::kNone) return sys_error(last == LastLink::kParent ? EACCES : ENOENT);
  if (path.empty()) return sys_error(ENOENT);
  // A trailing slash makes every call but the creating ones follow the link.
  if (last == LastLink::kParent || (last == LastLink::kNoFollow && path.back() != '/'))
    return resolve_parent(files, dirfd, path);
  auto fd = lookup(files, dirfd, path, O_PATH, 0);
  if (!fd) return tl::unexpected(fd.error());
  const std::string name = fmt::format("/proc/self/fd/{}", fd->get());
  return HostPath{std::move(*fd), AT_FDCWD, name};
}

SysResult<HostPath> FileSystem::resolve_parent(const FileTable& files, int dirfd, const std::string& path) const {
  const std::size_t last_char = path.find_last_not_of('/');
  const std::size_t slash = last_char == std::string::npos ? std::string::npos : path.rfind('/', last_char);
  const std::size_t name_at = slash == std::string::npos ? 0 : slash + 1;
  const std::string bare = last_char == std::string::npos ? "" : path.substr(name_at, last_char + 1 - name_at);
  if (bare.empty() || bare == "." || bare == "..") {
    // A directory by all means: the call works on its "." and cannot go above.
    auto fd = lookup(files, dirfd, path, O_PATH | O_DIRECTORY, 0);
    if (!fd) return tl::unexpected(fd.error());
    const int host = fd->get();
    return HostPath{std::move(*fd), host, "."};
  }
  const std::string folder = name_at == 0 ? "." : path.substr(0, name_at);
  auto fd = lookup(files, dirfd, folder, O_PATH | O_DIRECTORY, 0);
  if (!fd) return tl::unexpected(fd.error());
  const int host = fd->get();
  return HostPath{std::move(*fd), host, path.substr(name_at)};
}

SysResult<void> FileSystem::chdir(const FileTable& files, const std::string& path) {
  auto fd = lookup(files, AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
  if (!fd) return tl::unexpected(fd.error());
  return fchdir(fd->get());
}

SysResult<void> FileSystem::fchdir(int host_fd) {
  if (policy_.mode == FilesMode::kNone) return sys_error(ENOENT);
  struct stat st {};
  if (::fstat(host_fd, &st) != 0) return sys_error(errno);
  if (!S_ISDIR(st.st_mode)) return sys_error(ENOTDIR);
  if (::syscall(SYS_faccessat2, host_fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) != 0) return sys_error(errno);
  FileDescriptor fd(::open(fmt::format("/proc/self/fd/{}", host_fd).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return sys_error(errno);
  cwd_ = std::make_shared<const FileDescriptor>(std::move(fd));
  return {};
}

SysResult<std::string> FileSystem::cwd() const {
  if (policy_.mode == FilesMode::kNone) return std::string("/");
  return guest_path(cwd_->get());
}

SysResult<std::string> FileSystem::guest_path(int host_fd) const {
  auto path = link_of(host_fd);
  if (!path) return path;
  constexpr std::string_view kDeleted = " (deleted)";
  struct stat st {};
  const bool unlinked = path->ends_with(kDeleted) && ::fstat(host_fd, &st) == 0 && st.st_nlink == 0;
  if (path->empty() || path->front() != '/' || unlinked) return sys_error(ENOENT);
  if (policy_.mode != FilesMode::kRoot) return path;
  auto root = link_of(policy_.root->get());
  if (!root) return root;
  if (*path == *root) return std::string("/");
  if (*root == "/") return path;
  if (!path->starts_with(*root + "/")) return sys_error(ENOENT);
  return path->substr(root->size());
}

std::string FileSystem::describe(int host_fd) const {
  if (auto path = guest_path(host_fd)) return *path;
  return policy_.mode == FilesMode::kHost ? link_of(host_fd).value_or("") : "";
}

SysResult<std::string> FileSystem::absolute(const FileTable& files, int dirfd, const std::string& path) const {
  if (path.empty()) return sys_error(ENOENT);
  if (path.front() == '/') return fold(path);
  if (dirfd == AT_FDCWD && policy_.mode == FilesMode::kNone) return fold("/" + path);
  if (const auto file = files.get(dirfd); file && (*file)->virtual_file() != nullptr)
    return fold((*file)->virtual_file()->path() + "/" + path);
  auto base = base_of(files, dirfd);
  if (!base) return tl::unexpected(base.error());
  auto where = guest_path(*base);
  if (!where) return where;
  return fold(*where + "/" + path);
}

}  // namespace faultline::vmm::linux_abi

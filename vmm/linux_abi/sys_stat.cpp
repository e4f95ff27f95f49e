// What is known of files: stat, access, readlink, statfs.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <vector>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/paths.hpp"
#include "vmm/linux_abi/pseudo_files.hpp"

namespace faultline::vmm::linux_abi {
namespace {

// struct stat of the C library is the kernel's on x86-64.
static_assert(sizeof(struct stat) == 144);

SyscallValue stat_fd(Task& task, int fd, Gva to) {
  auto file = task.files().get(fd);
  if (!file) return propagate(file);
  if (const VirtualFile* made_up = (*file)->virtual_file(); made_up != nullptr)
    return put(task, to, stat_of(made_up->attributes()));
  struct stat st {};
  if (::fstat((*file)->host_fd(), &st) != 0) return sys_error(errno);
  return put(task, to, st);
}

SyscallValue stat_at(Task& task, int dirfd, Gva path, Gva to, int at_flags) {
  const auto made_up = virtual_at(task, dirfd, path, at_flags);
  if (!made_up) return propagate(made_up);
  if (*made_up) return put(task, to, stat_of(**made_up));
  auto where = resolve_at(task, dirfd, path, at_flags);
  if (!where) return propagate(where);
  struct stat st {};
  if (::fstatat(where->dirfd, where->name.c_str(), &st, where->nofollow()) != 0) return sys_error(errno);
  return put(task, to, st);
}

SyscallValue sys_stat(Task& t, const SyscallArgs& a) { return stat_at(t, AT_FDCWD, a.gva(0), a.gva(1), 0); }
SyscallValue sys_lstat(Task& t, const SyscallArgs& a) {
  return stat_at(t, AT_FDCWD, a.gva(0), a.gva(1), AT_SYMLINK_NOFOLLOW);
}
SyscallValue sys_fstat(Task& t, const SyscallArgs& a) { return stat_fd(t, a.i32(0), a.gva(1)); }

SyscallValue sys_newfstatat(Task& task, const SyscallArgs& args) {
  constexpr int kKnown = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT;
  const int flags = args.i32(3);
  if ((flags & ~kKnown) != 0) return sys_error(EINVAL);
  return stat_at(task, args.i32(0), args.gva(1), args.gva(2), flags);
}

struct statx statx_of(const struct stat& st) {
  struct statx x {};
  x.stx_mask = STATX_BASIC_STATS;
  x.stx_blksize = static_cast<std::uint32_t>(st.st_blksize);
  x.stx_nlink = static_cast<std::uint32_t>(st.st_nlink);
  x.stx_uid = st.st_uid;
  x.stx_gid = st.st_gid;
  x.stx_mode = static_cast<std::uint16_t>(st.st_mode);
  x.stx_ino = st.st_ino;
  x.stx_atime = {
      .tv_sec = st.st_atim.tv_sec, .tv_nsec = static_cast<std::uint32_t>(st.st_atim.tv_nsec), .__reserved = {}};
  x.stx_mtime = x.stx_ctime = x.stx_atime;
  x.stx_dev_major = major(st.st_dev);
  x.stx_dev_minor = minor(st.st_dev);
  return x;
}

SyscallValue sys_statx(Task& task, const SyscallArgs& args) {
  constexpr int kKnown = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE;
  const int flags = args.i32(2);
  if ((flags & ~kKnown) != 0 || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE) return sys_error(EINVAL);
  const auto made_up = virtual_at(task, args.i32(0), args.gva(1), flags);
  if (!made_up) return propagate(made_up);
  if (*made_up) return put(task, args.gva(4), statx_of(stat_of(**made_up)));
  auto where = resolve_at(task, args.i32(0), args.gva(1), flags);
  if (!where) return propagate(where);
  struct statx stx {};
  const int pass = (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) | where->nofollow();
  if (::statx(where->dirfd, where->name.c_str(), pass, args.u32(3), &stx) != 0) return sys_error(errno);
  return put(task, args.gva(4), stx);
}

// Writing is refused on a read-only file system, special files apart.
SyscallValue check_read_only(Task& task, const HostPath& where, int mode) {
  if ((mode & W_OK) == 0 || !task.file_system().policy().read_only) return 0;
  struct stat st {};
  if (::fstatat(where.dirfd, where.name.c_str(), &st, where.nofollow()) != 0) return sys_error(errno);
  const bool special = S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode);
  return special ? SyscallValue(0) : SyscallValue(sys_error(EROFS));
}

SyscallValue access_at(Task& task, int dirfd, Gva path, int mode, int flags) {
  if ((mode & ~(R_OK | W_OK | X_OK)) != 0) return sys_error(EINVAL);
  if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) return sys_error(EINVAL);
  const auto made_up = virtual_at(task, dirfd, path, flags);
  if (!made_up) return propagate(made_up);
  if (*made_up) return done(may_access(task, **made_up, mode));
  auto where = resolve_at(task, dirfd, path, flags);
  if (!where) return propagate(where);
  const int pass = (flags & AT_EACCESS) | where->nofollow();
  const long result = ::syscall(SYS_faccessat2, where->dirfd, where->name.c_str(), mode, pass);
  return result < 0 ? host_result(result) : check_read_only(task, *where, mode);
}

SyscallValue sys_access(Task& t, const SyscallArgs& a) { return access_at(t, AT_FDCWD, a.gva(0), a.i32(1), 0); }
SyscallValue sys_faccessat(Task& t, const SyscallArgs& a) { return access_at(t, a.i32(0), a.gva(1), a.i32(2), 0); }
SyscallValue sys_faccessat2(Task& t, const SyscallArgs& a) {
  return access_at(t, a.i32(0), a.gva(1), a.i32(2), a.i32(3));
}

SysResult<std::string> host_link(Task& task, int dirfd, const std::string& path) {
  std::vector<char> buffer(PATH_MAX);
  ssize_t n = 0;
  if (path.empty()) {  // the link that an O_PATH|O_NOFOLLOW descriptor stands for
    auto file = task.files().get(dirfd);
    if (!file) return tl::unexpected(dirfd == AT_FDCWD ? Errno(ENOENT) : file.error());
    n = ::readlinkat((*file)->host_fd(), "", buffer.data(), buffer.size());
  } else {
    auto where = task.file_system().resolve(task.files(), dirfd, path, LastLink::kNoFollow);
    if (!where) return tl::unexpected(where.error());
    // A followed path has been followed already: what is left is no link.
    if (where->dirfd == AT_FDCWD) return sys_error(EINVAL);
    n = ::readlinkat(where->dirfd, where->name.c_str(), buffer.data(), buffer.size());
  }
  if (n < 0) return sys_error(errno);
  return std::string(buffer.data(), static_cast<std::size_t>(n));
}

SyscallValue readlink_at(Task& task, int dirfd, Gva path_at, Gva to, int size) {
  if (size <= 0) return sys_error(EINVAL);
  const auto path = path_from_user(task, path_at);
  if (!path) return propagate(path);
  SysResult<std::string> text = sys_error(EINVAL);
  const auto absolute = task.file_system().absolute(task.files(), dirfd, *path);
  const auto pseudo = absolute ? pseudo_file(task, *absolute) : std::nullopt;
  // /dev/stdin is an ordinary link to /proc/self/fd/0 and is read as one.
  if (pseudo && absolute->starts_with("/proc/")) {
    text = pseudo_link(task, *pseudo);
  } else {
    text = host_link(task, dirfd, *path);
  }
  if (!text) return propagate(text);
  const std::size_t n = std::min(text->size(), static_cast<std::size_t>(size));
  if (mmu::copy_to_user(task.mm(), to, std::as_bytes(std::span(*text)).first(n)) != 0) return sys_error(EFAULT);
  return n;
}

SyscallValue sys_readlink(Task& t, const SyscallArgs& a) {
  return readlink_at(t, AT_FDCWD, a.gva(0), a.gva(1), a.i32(2));
}
SyscallValue sys_readlinkat(Task& t, const SyscallArgs& a) {
  return readlink_at(t, a.i32(0), a.gva(1), a.gva(2), a.i32(3));
}

// What is made up is on the procfs that it takes the place of.
SyscallValue statfs_proc(Task& task, Gva to) {
  struct statfs st {};
  if (::statfs("/proc", &st) != 0) return sys_error(errno);
  return put(task, to, st);
}

SyscallValue sys_statfs(Task& task, const SyscallArgs& args) {
  const auto made_up = virtual_at(task, AT_FDCWD, args.gva(0), 0);
  if (!made_up) return propagate(made_up);
  if (*made_up) return statfs_proc(task, args.gva(1));
  auto where = resolve_at(task, AT_FDCWD, args.gva(0), 0);
  if (!where) return propagate(where);
  struct statfs st {};
  if (::statfs(where->name.c_str(), &st) != 0) return sys_error(errno);
  return put(task, args.gva(1), st);
}
SyscallValue sys_fstatfs(Task& task, const SyscallArgs& args) {
  auto file = task.files().get(args.i32(0));
  if (!file) return propagate(file);
  if ((*file)->virtual_file() != nullptr) return statfs_proc(task, args.gva(1));
  struct statfs st {};
  if (::fstatfs((*file)->host_fd(), &st) != 0) return sys_error(errno);
  return put(task, args.gva(1), st);
}

}  // namespace

std::span<const SyscallEntry> stat_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_stat, sys_stat},           {SYS_fstat, sys_fstat},           {SYS_lstat, sys_lstat},
      {SYS_access, sys_access},       {SYS_readlink, sys_readlink},     {SYS_statfs, sys_statfs},
      {SYS_fstatfs, sys_fstatfs},     {SYS_newfstatat, sys_newfstatat}, {SYS_readlinkat, sys_readlinkat},
      {SYS_faccessat, sys_faccessat}, {SYS_statx, sys_statx},           {SYS_faccessat2, sys_faccessat2},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

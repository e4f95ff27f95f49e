// Directories and names: working directory, listing, creating, removing, renaming, links.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <vector>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/paths.hpp"
#include "vmm/linux_abi/virtual_io.hpp"

namespace faultline::vmm::linux_abi {
namespace {

SyscallValue sys_getcwd(Task& task, const SyscallArgs& args) {
  const auto cwd = task.file_system().cwd();
  if (!cwd) return propagate(cwd);
  const std::size_t bytes = cwd->size() + 1;
  if (bytes > args[1]) return sys_error(ERANGE);
  const auto text = std::as_bytes(std::span(cwd->c_str(), bytes));
  if (mmu::copy_to_user(task.mm(), args.gva(0), text) != 0) return sys_error(EFAULT);
  return bytes;
}

SyscallValue sys_chdir(Task& task, const SyscallArgs& args) {
  const auto path = path_from_user(task, args.gva(0));
  if (!path) return propagate(path);
  return done(task.file_system().chdir(task.files(), *path));
}

SyscallValue sys_fchdir(Task& task, const SyscallArgs& args) {
  auto file = task.files().get(args.i32(0));
  if (!file) return propagate(file);
  if (const VirtualFile* made_up = (*file)->virtual_file(); made_up != nullptr && (*file)->directory())
    return done(task.file_system().chdir(task.files(), made_up->path()));
  return done(task.file_system().fchdir((*file)->host_fd()));
}

SyscallValue sys_getdents64(Task& task, const SyscallArgs& args) {
  auto file = io_file(task, args.i32(0));
  if (!file) return propagate(file);
  if ((*file)->virtual_file() != nullptr) return list_virtual(task, **file, args.gva(1), args.u32(2));
  constexpr std::uint32_t kMaxBytes = 64 * 1024;
  std::vector<std::byte> buffer(std::min(args.u32(2), kMaxBytes));
  const int host = (*file)->host_fd();
  const off_t before = ::lseek(host, 0, SEEK_CUR);
  const long n = ::syscall(SYS_getdents64, host, buffer.data(), buffer.size());
  if (n < 0) return host_result(n);
  if (mmu::copy_to_user(task.mm(), args.gva(1), std::span(buffer).first(static_cast<std::size_t>(n))) != 0) {
    static_cast<void>(::lseek(host, before, SEEK_SET));
    return sys_error(EFAULT);
  }
  return static_cast<std::uint64_t>(n);
}

// The place where a name is to be made or removed; EROFS comes after what is wrong with the path.
SysResult<HostPath> place(Task& task, int dirfd, Gva path_at) {
  const auto path = path_from_user(task, path_at);
  if (!path) return tl::unexpected(path.error());
  auto where = resolve_path(task, dirfd, *path, LastLink::kParent);
  if (!where) return where;
  if (auto may = task.file_system().may_change(); !may) return tl::unexpected(may.error());
  return where;
}

SyscallValue mkdir_at(Task& task, int dirfd, Gva path, std::uint32_t mode) {
  auto where = place(task, dirfd, path);
  if (!where) return propagate(where);
  const UmaskGuard guard(task.file_system().umask);
  return host_result(::mkdirat(where->dirfd, where->name.c_str(), mode));
}
SyscallValue sys_mkdir(Task& t, const SyscallArgs& a) { return mkdir_at(t, AT_FDCWD, a.gva(0), a.u32(1)); }
SyscallValue sys_mkdirat(Task& t, const SyscallArgs& a) { return mkdir_at(t, a.i32(0), a.gva(1), a.u32(2)); }

// Pipes and plain files; devices are not a guest's to make.
SyscallValue mknod_at(Task& task, int dirfd, Gva path, std::uint32_t mode) {
  if (S_ISCHR(mode) || S_ISBLK(mode)) return sys_error(EPERM);
  auto where = place(task, dirfd, path);
  if (!where) return propagate(where);
  const UmaskGuard guard(task.file_system().umask);
  return host_result(::mknodat(where->dirfd, where->name.c_str(), mode, 0));
}
SyscallValue sys_mknod(Task& t, const SyscallArgs& a) { return mknod_at(t, AT_FDCWD, a.gva(0), a.u32(1)); }
SyscallValue sys_mknodat(Task& t, const SyscallArgs& a) { return mknod_at(t, a.i32(0), a.gva(1), a.u32(2)); }

SyscallValue unlink_at(Task& task, int dirfd, Gva path, int flags) {
  if ((flags & ~AT_REMOVEDIR) != 0) return sys_error(EINVAL);
  auto where = place(task, dirfd, path);
  if (!where) return propagate(where);
  return host_result(::unlinkat(where->dirfd, where->name.c_str(), flags));
}
SyscallValue sys_unlink(Task& t, const SyscallArgs& a) { return unlink_at(t, AT_FDCWD, a.gva(0), 0); }
SyscallValue sys_rmdir(Task& t, const SyscallArgs& a) { return unlink_at(t, AT_FDCWD, a.gva(0), AT_REMOVEDIR); }
SyscallValue sys_unlinkat(Task& t, const SyscallArgs& a) { return unlink_at(t, a.i32(0), a.gva(1), a.i32(2)); }

struct Name {
  int dirfd;
  Gva path;
};

SyscallValue rename_at(Task& task, Name from, Name to, std::uint32_t flags) {
  auto old_place = place(task, from.dirfd, from.path);
  if (!old_place) return propagate(old_place);
  auto new_place = place(task, to.dirfd, to.path);
  if (!new_place) return propagate(new_place);
  return host_result(::syscall(SYS_renameat2, old_place->dirfd, old_place->name.c_str(), new_place->dirfd,
                               new_place->name.c_str(), flags));
}
SyscallValue sys_rename(Task& t, const SyscallArgs& a) {
  return rename_at(t, {AT_FDCWD, a.gva(0)}, {AT_FDCWD, a.gva(1)}, 0);
}
SyscallValue sys_renameat(Task& t, const SyscallArgs& a) {
  return rename_at(t, {a.i32(0), a.gva(1)}, {a.i32(2), a.gva(3)}, 0);
}
SyscallValue sys_renameat2(Task& t, const SyscallArgs& a) {
  return rename_at(t, {a.i32(0), a.gva(1)}, {a.i32(2), a.gva(3)}, a.u32(4));
}

SyscallValue link_at(Task& task, Name from, Name to, int flags) {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) != 0) return sys_error(EINVAL);
  const bool follow = (flags & AT_SYMLINK_FOLLOW) != 0;
  auto source = resolve_at(task, from.dirfd, from.path, (flags & AT_EMPTY_PATH) | (follow ? 0 : AT_SYMLINK_NOFOLLOW));
  if (!source) return propagate(source);
  auto target = place(task, to.dirfd, to.path);
  if (!target) return propagate(target);
  // What was followed already is reached through its descriptor, which is a link to follow.
  const int host_flags = source->dirfd == AT_FDCWD ? AT_SYMLINK_FOLLOW : 0;
  return host_result(::linkat(source->dirfd, source->name.c_str(), target->dirfd, target->name.c_str(), host_flags));
}
SyscallValue sys_link(Task& t, const SyscallArgs& a) {
  return link_at(t, {AT_FDCWD, a.gva(0)}, {AT_FDCWD, a.gva(1)}, 0);
}
SyscallValue sys_linkat(Task& t, const SyscallArgs& a) {
  return link_at(t, {a.i32(0), a.gva(1)}, {a.i32(2), a.gva(3)}, a.i32(4));
}

SyscallValue symlink_at(Task& task, Gva target, Name name) {
  const auto text = path_from_user(task, target);
  if (!text) return propagate(text);
  if (text->empty()) return sys_error(ENOENT);
  auto where = place(task, name.dirfd, name.path);
  if (!where) return propagate(where);
  return host_result(::symlinkat(text->c_str(), where->dirfd, where->name.c_str()));
}
SyscallValue sys_symlink(Task& t, const SyscallArgs& a) { return symlink_at(t, a.gva(0), {AT_FDCWD, a.gva(1)}); }
SyscallValue sys_symlinkat(Task& t, const SyscallArgs& a) { return symlink_at(t, a.gva(0), {a.i32(1), a.gva(2)}); }

}  // namespace

std::span<const SyscallEntry> directory_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_getcwd, sys_getcwd},   {SYS_chdir, sys_chdir},           {SYS_fchdir, sys_fchdir},
      {SYS_rename, sys_rename},   {SYS_mkdir, sys_mkdir},           {SYS_rmdir, sys_rmdir},
      {SYS_link, sys_link},       {SYS_unlink, sys_unlink},         {SYS_symlink, sys_symlink},
      {SYS_mknod, sys_mknod},     {SYS_getdents64, sys_getdents64}, {SYS_mkdirat, sys_mkdirat},
      {SYS_mknodat, sys_mknodat}, {SYS_unlinkat, sys_unlinkat},     {SYS_renameat, sys_renameat},
      {SYS_linkat, sys_linkat},   {SYS_symlinkat, sys_symlinkat},   {SYS_renameat2, sys_renameat2},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

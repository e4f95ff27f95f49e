// Changing what is known of files: mode, owner, times.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/paths.hpp"

namespace faultline::vmm::linux_abi {
namespace {

SysResult<HostPath> changeable(Task& task, int dirfd, Gva path, int at_flags) {
  auto where = resolve_at(task, dirfd, path, at_flags);
  if (!where) return where;
  if (auto may = task.file_system().may_change(); !may) return tl::unexpected(may.error());
  return where;
}

// A descriptor of a real file may not be changed under --read-only either.
SysResult<std::shared_ptr<OpenFile>> changeable_file(Task& task, int fd) {
  auto file = io_file(task, fd);
  if (!file) return file;
  if (auto may = task.file_system().may_change(); !may) return tl::unexpected(may.error());
  return file;
}

SyscallValue chmod_at(Task& task, int dirfd, Gva path, std::uint32_t mode) {
  auto where = changeable(task, dirfd, path, 0);
  if (!where) return propagate(where);
  return host_result(::fchmodat(where->dirfd, where->name.c_str(), mode & 07777, 0));
}
SyscallValue sys_chmod(Task& t, const SyscallArgs& a) { return chmod_at(t, AT_FDCWD, a.gva(0), a.u32(1)); }
SyscallValue sys_fchmodat(Task& t, const SyscallArgs& a) { return chmod_at(t, a.i32(0), a.gva(1), a.u32(2)); }
SyscallValue sys_fchmod(Task& task, const SyscallArgs& args) {
  auto file = changeable_file(task, args.i32(0));
  return file ? host_result(::fchmod((*file)->host_fd(), args.u32(1) & 07777)) : propagate(file);
}

SyscallValue chown_at(Task& task, int dirfd, Gva path, const std::array<std::uint32_t, 2>& ids, int flags) {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) return sys_error(EINVAL);
  auto where = changeable(task, dirfd, path, flags);
  if (!where) return propagate(where);
  return host_result(::fchownat(where->dirfd, where->name.c_str(), ids[0], ids[1], where->nofollow()));
}
SyscallValue sys_chown(Task& t, const SyscallArgs& a) {
  return chown_at(t, AT_FDCWD, a.gva(0), {a.u32(1), a.u32(2)}, 0);
}
SyscallValue sys_lchown(Task& t, const SyscallArgs& a) {
  return chown_at(t, AT_FDCWD, a.gva(0), {a.u32(1), a.u32(2)}, AT_SYMLINK_NOFOLLOW);
}
SyscallValue sys_fchownat(Task& t, const SyscallArgs& a) {
  return chown_at(t, a.i32(0), a.gva(1), {a.u32(2), a.u32(3)}, a.i32(4));
}
SyscallValue sys_fchown(Task& task, const SyscallArgs& args) {
  auto file = changeable_file(task, args.i32(0));
  return file ? host_result(::fchown((*file)->host_fd(), args.u32(1), args.u32(2))) : propagate(file);
}

using Times = std::array<timespec, 2>;

SysResult<std::optional<Times>> times_from_user(Task& task, Gva at) {
  if (at == Gva(0)) return std::optional<Times>{};
  auto times = mmu::get_user<Times>(task.mm(), at);
  if (!times) return tl::unexpected(times.error());
  return std::optional(*times);
}

SyscallValue set_times(Task& task, int dirfd, Gva path, const std::optional<Times>& times, int flags) {
  const timespec* value = times ? times->data() : nullptr;
  if (path == Gva(0) && dirfd != AT_FDCWD) {  // futimens
    auto file = changeable_file(task, dirfd);
    return file ? host_result(::syscall(SYS_utimensat, (*file)->host_fd(), nullptr, value, 0)) : propagate(file);
  }
  auto where = changeable(task, dirfd, path, flags);
  if (!where) return propagate(where);
  return host_result(::syscall(SYS_utimensat, where->dirfd, where->name.c_str(), value, where->nofollow()));
}

SyscallValue sys_utimensat(Task& task, const SyscallArgs& args) {
  const int flags = args.i32(3);
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) return sys_error(EINVAL);
  const auto times = times_from_user(task, args.gva(2));
  return times ? set_times(task, args.i32(0), args.gva(1), *times, flags) : propagate(times);
}

// utimes: microseconds.
SyscallValue sys_utimes(Task& task, const SyscallArgs& args) {
  std::optional<Times> times;
  if (args[1] != 0) {
    const auto read = mmu::get_user<std::array<timeval, 2>>(task.mm(), args.gva(1));
    if (!read) return propagate(read);
    times.emplace();
    for (unsigned i = 0; i < 2; ++i) {
      const timeval& t = (*read)[i];
      if (t.tv_usec < 0 || t.tv_usec >= 1'000'000) return sys_error(EINVAL);
      (*times)[i] = {t.tv_sec, t.tv_usec * 1000};
    }
  }
  return set_times(task, AT_FDCWD, args.gva(0), times, 0);
}

}  // namespace

std::span<const SyscallEntry> attribute_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_chmod, sys_chmod},       {SYS_fchmod, sys_fchmod},     {SYS_chown, sys_chown},
      {SYS_fchown, sys_fchown},     {SYS_lchown, sys_lchown},     {SYS_utimes, sys_utimes},
      {SYS_fchownat, sys_fchownat}, {SYS_fchmodat, sys_fchmodat}, {SYS_utimensat, sys_utimensat},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

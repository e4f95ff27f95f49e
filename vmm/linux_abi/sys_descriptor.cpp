// Descriptors themselves: dup, fcntl, ioctl.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/support.hpp"
#include "vmm/linux_abi/sys_lock.hpp"
#include "vmm/linux_abi/virtual_file.hpp"

namespace faultline::vmm::linux_abi {
namespace {

SyscallValue as_value(const SysResult<int>& fd) {
  return fd ? SyscallValue(static_cast<std::uint64_t>(*fd)) : propagate(fd);
}

SyscallValue duplicate(Task& task, int fd, int from, bool close_on_exec) {
  auto file = task.files().get(fd);
  if (!file) return propagate(file);
  return as_value(task.files().install(*file, close_on_exec, from));
}

SyscallValue replace(Task& task, int from, int to, bool close_on_exec) {
  auto file = task.files().get(from);
  if (!file) return propagate(file);
  return as_value(task.files().install_at(to, *file, close_on_exec));
}

SyscallValue sys_dup(Task& task, const SyscallArgs& args) { return duplicate(task, args.i32(0), 0, false); }

SyscallValue sys_dup2(Task& task, const SyscallArgs& args) {
  if (args.i32(0) == args.i32(1)) {
    auto file = task.files().get(args.i32(0));
    return file ? SyscallValue(args.u32(0)) : propagate(file);
  }
  return replace(task, args.i32(0), args.i32(1), false);
}

SyscallValue sys_dup3(Task& task, const SyscallArgs& args) {
  if ((args.i32(2) & ~O_CLOEXEC) != 0 || args.i32(0) == args.i32(1)) return sys_error(EINVAL);
  return replace(task, args.i32(0), args.i32(1), (args.i32(2) & O_CLOEXEC) != 0);
}

SyscallValue set_status(const OpenFile& file, int flags) {
  constexpr int kSettable = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
  return host_result(::fcntl(file.host_fd(), F_SETFL, flags & kSettable));
}

SyscallValue sys_fcntl(Task& task, const SyscallArgs& args) {
  const int fd = args.i32(0), command = args.i32(1);
  auto file = task.files().get(fd);
  if (!file) return propagate(file);
  const bool allowed_on_path = command == F_DUPFD || command == F_DUPFD_CLOEXEC || command == F_GETFD ||
                               command == F_SETFD || command == F_GETFL;
  if ((*file)->path_only() && !allowed_on_path) return sys_error(EBADF);
  const int host = (*file)->host_fd();
  switch (command) {
    case F_DUPFD: return duplicate(task, fd, args.i32(2), false);
    case F_DUPFD_CLOEXEC: return duplicate(task, fd, args.i32(2), true);
    case F_GETFD: return *task.files().close_on_exec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD: return done(task.files().set_close_on_exec(fd, (args[2] & FD_CLOEXEC) != 0));
    case F_GETFL: return host_result(::fcntl(host, F_GETFL));
    case F_SETFL: return set_status(**file, args.i32(2));
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW: return lock_file(task, **file, command, args.gva(2));
    case F_GETOWN: return 0;
    case F_GETPIPE_SZ:
    case F_GET_SEALS: return host_result(::fcntl(host, command));
    case F_SETPIPE_SZ:
    case F_ADD_SEALS: return host_result(::fcntl(host, command, args.i32(2)));
    default: return sys_error(EINVAL);
  }
}

// The ioctls that are passed on: what they point to is `bytes` long.
struct Ioctl {
  std::uint32_t command;
  std::uint16_t bytes;
  bool reads;   // the kernel reads the argument
  bool writes;  // the kernel writes it
};
constexpr std::uint16_t kKernelTermios = 36;  // struct termios of the kernel
constexpr std::array kIoctls = {
    Ioctl{TCGETS, kKernelTermios, false, true},
    Ioctl{TCSETS, kKernelTermios, true, false},
    Ioctl{TCSETSW, kKernelTermios, true, false},
    Ioctl{TCSETSF, kKernelTermios, true, false},
    Ioctl{TIOCGWINSZ, sizeof(winsize), false, true},
    Ioctl{TIOCGSID, 4, false, true},
    Ioctl{TIOCOUTQ, 4, false, true},
    Ioctl{FIONREAD, 4, false, true},
    Ioctl{FIONBIO, 4, true, false},
};

// The foreground group is the guest's own matter as soon as it sets one: the host's terminal
// never hears of its groups. Writing from the background stops nobody.
SyscallValue foreground_group(Task& task, const OpenFile& terminal, bool sets, Gva at) {
  pid_t group = 0;
  if (::ioctl(terminal.host_fd(), TIOCGPGRP, &group) != 0) return sys_error(errno);
  int& ours = task.processes().foreground_group;
  if (!sets) return put(task, at, ours != 0 ? ours : group);
  const auto wanted = mmu::get_user<std::int32_t>(task.mm(), at);
  if (!wanted) return propagate(wanted);
  if (*wanted < 0) return sys_error(EINVAL);
  if (!task.processes().group_in_session(*wanted, task.kin.session)) {
    const auto& all = task.processes().all();
    const bool exists = std::ranges::any_of(all, [&](const auto& e) { return e.second->kin.group == *wanted; });
    return sys_error(exists ? EPERM : ESRCH);
  }
  ours = *wanted;
  return 0;
}

SyscallValue sys_ioctl(Task& task, const SyscallArgs& args) {
  auto file = io_file(task, args.i32(0));
  if (!file) return propagate(file);
  const std::uint32_t command = args.u32(1);
  if (command == TIOCGPGRP || command == TIOCSPGRP)
    return foreground_group(task, **file, command == TIOCSPGRP, args.gva(2));
  if (command == FIOCLEX || command == FIONCLEX)
    return done(task.files().set_close_on_exec(args.i32(0), command == FIOCLEX));
  if (VirtualFile* made_up = (*file)->virtual_file(); made_up != nullptr)
    return made_up->ioctl(task, command, args.gva(2));
  const auto known = std::ranges::find(kIoctls, command, &Ioctl::command);
  if (known == kIoctls.end()) return sys_error(ENOTTY);
  std::array<std::byte, 64> buffer{};
  const auto bytes = std::span(buffer).first(known->bytes);
  if (known->reads && mmu::copy_from_user(task.mm(), bytes, args.gva(2)) != 0) return sys_error(EFAULT);
  // The raw call: the C library's struct termios is not the kernel's.
  const long result = ::syscall(SYS_ioctl, (*file)->host_fd(), command, buffer.data());
  if (result < 0) return host_result(result);
  if (known->writes && mmu::copy_to_user(task.mm(), args.gva(2), bytes) != 0) return sys_error(EFAULT);
  return static_cast<std::uint64_t>(result);
}

}  // namespace

std::span<const SyscallEntry> descriptor_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_ioctl, sys_ioctl}, {SYS_dup, sys_dup},     {SYS_dup2, sys_dup2},
      {SYS_fcntl, sys_fcntl}, {SYS_flock, sys_flock}, {SYS_dup3, sys_dup3},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

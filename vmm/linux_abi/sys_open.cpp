// Getting and giving back descriptors: open, close, pipe, memfd.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "vmm/linux_abi/blocking_open.hpp"
#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/paths.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/pseudo_files.hpp"

namespace faultline::vmm::linux_abi {
namespace {

bool writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0; }

// A pipe that is opened for one direction, and not told not to wait, waits until there is somebody
// at the other end. No host call may.
bool waits_for_other_end(mode_t mode, int flags) {
  return S_ISFIFO(mode) && (flags & (O_NONBLOCK | O_PATH)) == 0 && (flags & O_ACCMODE) != O_RDWR;
}

SyscallValue await_other_end(Task& task, int flags) {
  WaitState& wait = task.wait_state();
  if (auto result = wait.open->take()) {
    wait.open.reset();
    return *result ? install(task, std::move(**result), flags) : propagate(*result);
  }
  if (task.signal_pending()) {
    wait.open.reset();
    return sys_error(kRestartSys);
  }
  wait.fds.push_back({wait.open->event_fd(), POLLIN, 0});
  return sys_error(kBlocked);
}

// `pipe`: an O_PATH descriptor.
SyscallValue wait_for_other_end(Task& task, FileDescriptor pipe, int flags) {
  task.wait_state().open = BlockingOpen::start(std::move(pipe), flags & (O_ACCMODE | O_APPEND));
  return task.wait_state().open ? await_other_end(task, flags) : SyscallValue(sys_error(ENFILE));
}

// What open(2) is about to write to or to wait for, looked at before it does: Linux refuses to
// write to a program that runs, and host calls must not wait.
SysResult<FileDescriptor> look_before(Task& task, int dirfd, const std::string& path, int flags) {
  if ((flags & O_PATH) != 0) return FileDescriptor();
  auto there = task.file_system().open(task.files(), dirfd, path, O_PATH | (flags & O_NOFOLLOW), 0);
  struct stat st {};
  if (!there || ::fstat(there->get(), &st) != 0) return FileDescriptor();  // the call itself tells
  if (S_ISREG(st.st_mode) && writes(flags) && task.processes().executes({st.st_dev, st.st_ino}))
    return sys_error(ETXTBSY);
  if (!waits_for_other_end(st.st_mode, flags) || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
    return FileDescriptor();
  return there;
}

// What the host opened. A file that this cut off is cut off in its mappings as well.
SyscallValue install_opened(Task& task, FileDescriptor fd, int flags) {
  const int host_fd = fd.get();
  const SyscallValue number = install(task, std::move(fd), flags);
  if (number && (flags & O_TRUNC) != 0 && (flags & O_PATH) == 0) {
    if (const auto file = task.files().get(static_cast<int>(*number)); file && (*file)->host_fd() == host_fd)
      task.coherence().after_resize(**file, ~0ULL);
  }
  return number;
}

// Whatever the host has under that name.
SyscallValue open_named(Task& task, int dirfd, const std::string& path, int flags, std::uint32_t mode) {
  auto pipe = look_before(task, dirfd, path, flags);
  if (!pipe) return propagate(pipe);
  if (pipe->valid()) return wait_for_other_end(task, std::move(*pipe), flags);
  auto fd = task.file_system().open(task.files(), dirfd, path, flags, mode);
  if (!fd) return propagate(fd);
  return install_opened(task, std::move(*fd), flags);
}

// A new description of what a guest descriptor stands for, or the same one where the host
// cannot reopen it (sockets), as opening /proc/self/fd/N does.
SyscallValue reopen(Task& task, const SysResult<std::shared_ptr<OpenFile>>& file, int flags) {
  if (!file) return sys_error(ENOENT);
  if (writes(flags) && !(*file)->writable()) {
    if (auto may = task.file_system().may_change(); !may) return propagate(may);
  }
  if (writes(flags) && (*file)->regular() && task.processes().executes((*file)->id())) return sys_error(ETXTBSY);
  const std::string name = fmt::format("/proc/self/fd/{}", (*file)->host_fd());
  if (waits_for_other_end((*file)->type(), flags)) {
    FileDescriptor pipe(::open(name.c_str(), O_PATH | O_CLOEXEC));
    return pipe ? wait_for_other_end(task, std::move(pipe), flags) : SyscallValue(sys_error(errno));
  }
  FileDescriptor again(::open(name.c_str(), (flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_CLOEXEC | O_NOCTTY));
  if (again) return install_opened(task, std::move(again), flags);
  if (errno != ENXIO) return sys_error(errno);
  auto number = task.files().install(*file, (flags & O_CLOEXEC) != 0);
  if (!number) return propagate(number);
  return static_cast<std::uint64_t>(*number);
}

SyscallValue open_made_up(Task& task, const proc::Node& node, int flags) {
  auto file = open_virtual(task, node, flags);
  if (!file) return propagate(file);
  auto number = task.files().install(std::move(*file), (flags & O_CLOEXEC) != 0);
  return number ? SyscallValue(static_cast<std::uint64_t>(*number)) : propagate(number);
}

SyscallValue open_pseudo(Task& task, const proc::Node& node, int flags) {
  if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return sys_error(EEXIST);
  if (!is_link(node)) return open_made_up(task, node, flags);
  if ((flags & O_NOFOLLOW) != 0) return sys_error(ELOOP);
  if (const auto behind = followed(task, node)) return open_made_up(task, *behind, flags);
  Task* subject = proc::find_process(task, node.pid);
  if (subject == nullptr) return sys_error(ENOENT);
  if (node.kind == proc::NodeKind::kDescriptor) return reopen(task, subject->files().get(node.fd), flags);
  const auto target = pseudo_link(task, node);
  if (!target) return propagate(target);
  return open_named(task, AT_FDCWD, *target, flags & ~O_CREAT, 0);
}

SyscallValue open_at(Task& task, int dirfd, Gva path_at, int flags, std::uint32_t mode) {
  if (task.wait_state().open) return await_other_end(task, flags);
  const auto path = path_from_user(task, path_at);
  if (!path) return propagate(path);
  if (const auto absolute = task.file_system().absolute(task.files(), dirfd, *path)) {
    if (const auto pseudo = pseudo_file(task, *absolute)) return open_pseudo(task, *pseudo, flags);
  }
  return open_named(task, dirfd, *path, flags, mode);
}

SyscallValue sys_openat(Task& task, const SyscallArgs& args) {
  return open_at(task, args.i32(0), args.gva(1), args.i32(2), args.u32(3));
}
SyscallValue sys_open(Task& task, const SyscallArgs& args) {
  return open_at(task, AT_FDCWD, args.gva(0), args.i32(1), args.u32(2));
}
SyscallValue sys_creat(Task& task, const SyscallArgs& args) {
  return open_at(task, AT_FDCWD, args.gva(0), O_CREAT | O_WRONLY | O_TRUNC, args.u32(1));
}

SyscallValue sys_close(Task& task, const SyscallArgs& args) { return done(task.files().close(args.i32(0))); }

SyscallValue sys_close_range(Task& task, const SyscallArgs& args) {
  constexpr std::uint32_t kUnshare = 2, kCloexec = 4;
  const std::uint32_t first = args.u32(0), last = args.u32(1), flags = args.u32(2);
  if ((flags & ~(kUnshare | kCloexec)) != 0 || first > last) return sys_error(EINVAL);
  if ((flags & kCloexec) == 0) {
    task.files().close_range(first, last);
    return 0;
  }
  for (const int fd : task.files().open_numbers()) {
    const auto number = static_cast<std::uint32_t>(fd);
    if (number >= first && number <= last) static_cast<void>(task.files().set_close_on_exec(fd, true));
  }
  return 0;
}

SyscallValue make_pipe(Task& task, Gva to, int flags) {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) != 0) return sys_error(EINVAL);
  int host[2];
  if (::pipe2(host, flags | O_CLOEXEC) != 0) return sys_error(errno);
  FileDescriptor reader(host[0]), writer(host[1]);
  const auto r = install(task, std::move(reader), flags | O_RDONLY);
  if (!r) return r;
  const auto w = install(task, std::move(writer), flags | O_WRONLY);
  const std::int32_t numbers[2] = {static_cast<std::int32_t>(*r), w ? static_cast<std::int32_t>(*w) : -1};
  if (w && mmu::copy_to_user(task.mm(), to, std::as_bytes(std::span(numbers))) == 0) return 0;
  static_cast<void>(task.files().close(numbers[0]));
  if (!w) return w;
  static_cast<void>(task.files().close(numbers[1]));
  return sys_error(EFAULT);
}

SyscallValue sys_pipe(Task& task, const SyscallArgs& args) { return make_pipe(task, args.gva(0), 0); }
SyscallValue sys_pipe2(Task& task, const SyscallArgs& args) { return make_pipe(task, args.gva(0), args.i32(1)); }

SyscallValue sys_memfd_create(Task& task, const SyscallArgs& args) {
  constexpr std::uint64_t kMaxName = 249;  // MFD_NAME_MAX_LEN
  const auto name = mmu::string_from_user(task.mm(), args.gva(0), kMaxName);
  if (!name) return sys_error(name.error() == Errno(ENAMETOOLONG) ? EINVAL : name.error().value());
  const std::uint32_t flags = args.u32(1);
  FileDescriptor fd(::memfd_create(name->c_str(), flags | MFD_CLOEXEC));
  if (!fd) return sys_error(errno);
  return install(task, std::move(fd), O_RDWR | ((flags & MFD_CLOEXEC) != 0 ? O_CLOEXEC : 0));
}

}  // namespace

std::span<const SyscallEntry> open_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_open, sys_open},
      {SYS_close, sys_close},
      {SYS_pipe, sys_pipe},
      {SYS_creat, sys_creat},
      {SYS_openat, sys_openat},
      {SYS_pipe2, sys_pipe2},
      {SYS_memfd_create, sys_memfd_create},
      {SYS_close_range, sys_close_range},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

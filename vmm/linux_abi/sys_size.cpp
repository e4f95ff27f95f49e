// File sizes and persistence: truncate, fallocate, fsync.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/paths.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/stream.hpp"

namespace faultline::vmm::linux_abi {
namespace {

SyscallValue resize(Task& task, const OpenFile& file, std::uint64_t size) {
  // What the guest wrote through a mapping counts up to the new end.
  static_cast<void>(task.coherence().write_back(file));
  const std::uint64_t before = task.coherence().size_before(file);
  const WriteSignals signals(task);
  const SyscallValue result = host_result(::ftruncate(file.host_fd(), static_cast<off_t>(size)));
  if (result) task.coherence().after_resize(file, before);
  return result;
}

SyscallValue sys_ftruncate(Task& task, const SyscallArgs& args) {
  auto file = io_file(task, args.i32(0));
  if (!file) return propagate(file);
  if (static_cast<std::int64_t>(args[1]) < 0) return sys_error(EINVAL);
  if ((*file)->virtual_file() != nullptr)
    return (*file)->writable() ? SyscallValue(0) : SyscallValue(sys_error(EINVAL));
  return resize(task, **file, args[1]);
}

SyscallValue sys_truncate(Task& task, const SyscallArgs& args) {
  if (static_cast<std::int64_t>(args[1]) < 0) return sys_error(EINVAL);
  auto where = resolve_at(task, AT_FDCWD, args.gva(0), 0);
  if (!where) return propagate(where);
  struct stat st {};
  if (::stat(where->name.c_str(), &st) != 0) return sys_error(errno);
  if (S_ISDIR(st.st_mode)) return sys_error(EISDIR);
  if (!S_ISREG(st.st_mode)) return sys_error(EINVAL);
  if (auto may = task.file_system().may_change(); !may) return propagate(may);
  FileDescriptor fd(::open(where->name.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return sys_error(errno);
  if (task.processes().executes({st.st_dev, st.st_ino})) return sys_error(ETXTBSY);
  return resize(task, OpenFile(std::move(fd), O_WRONLY), args[1]);
}

SyscallValue sys_fallocate(Task& task, const SyscallArgs& args) {
  auto file = io_file(task, args.i32(0));
  if (!file) return propagate(file);
  const int mode = args.i32(1);
  FileCoherence& coherence = task.coherence();
  static_cast<void>(coherence.write_back(**file));
  const std::uint64_t before = coherence.size_before(**file);
  const auto offset = static_cast<off_t>(args[2]), length = static_cast<off_t>(args[3]);
  const WriteSignals signals(task);
  const SyscallValue result = host_result(::fallocate((*file)->host_fd(), mode, offset, length));
  if (!result) return result;
  if ((mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) != 0) {
    coherence.after_move(**file, before, args[2]);
    return result;
  }
  if (coherence.size_before(**file) != before) coherence.after_resize(**file, before);
  if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) coherence.after_hole(**file, args[2], args[3]);
  return result;
}

SyscallValue flush(Task& task, int fd, int (*call)(int)) {
  auto file = io_file(task, fd);
  if (!file) return propagate(file);
  if (auto written = task.coherence().write_back(**file); !written) return propagate(written);
  return host_result(call((*file)->host_fd()));
}
SyscallValue sys_fsync(Task& t, const SyscallArgs& a) { return flush(t, a.i32(0), ::fsync); }
SyscallValue sys_fdatasync(Task& t, const SyscallArgs& a) { return flush(t, a.i32(0), ::fdatasync); }

// Advice changes nothing that can be seen, but for how the next faults are counted.
SyscallValue sys_fadvise64(Task& task, const SyscallArgs& args) {
  auto file = io_file(task, args.i32(0));
  if (!file) return propagate(file);
  const int error =
      ::posix_fadvise((*file)->host_fd(), static_cast<off_t>(args[1]), static_cast<off_t>(args[2]), args.i32(3));
  if (error != 0) return SyscallValue(sys_error(error));
  if (args.i32(3) == POSIX_FADV_DONTNEED) task.coherence().after_dropped(**file, args[1], args[2]);
  return SyscallValue(0);
}

}  // namespace

std::span<const SyscallEntry> size_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_fsync, sys_fsync},         {SYS_fdatasync, sys_fdatasync}, {SYS_truncate, sys_truncate},
      {SYS_ftruncate, sys_ftruncate}, {SYS_fadvise64, sys_fadvise64}, {SYS_fallocate, sys_fallocate},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

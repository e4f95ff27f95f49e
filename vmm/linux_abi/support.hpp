// What the system call handlers have in common.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>

#include "mmu/space/uaccess.hpp"
#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi {

// A host call's return value. EINTR there was meant for the harness: the guest's call is made
// again, after the run loop had a look.
inline SyscallValue host_result(long value) {
  if (value >= 0) return static_cast<std::uint64_t>(value);
  return sys_error(errno == EINTR ? kRestartNoIntr : errno);
}

template <class T>
SyscallValue propagate(const SysResult<T>& result) {
  return tl::unexpected(result.error());
}
inline SyscallValue done(const SysResult<void>& result) { return result ? SyscallValue(0) : propagate(result); }

// Writes `value` to the guest; 0 or EFAULT.
template <class T>
SyscallValue put(Task& task, Gva to, const T& value) {
  return done(mmu::put_user(task.mm(), to, value));
}

// An open file that can be used for I/O; EBADF for none, and for O_PATH descriptors.
inline SysResult<std::shared_ptr<OpenFile>> io_file(Task& task, int fd) {
  auto file = task.files().get(fd);
  if (file && (*file)->path_only()) return sys_error(EBADF);
  return file;
}

inline SyscallValue install(Task& task, FileDescriptor fd, int flags) {
  auto number = task.files().install(std::make_shared<OpenFile>(std::move(fd), flags), (flags & O_CLOEXEC) != 0);
  if (!number) return propagate(number);
  return static_cast<std::uint64_t>(*number);
}

// As getrusage and wait4 write it.
rusage to_rusage(const ResourceUse& use);

}  // namespace faultline::vmm::linux_abi

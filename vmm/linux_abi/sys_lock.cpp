// Locks on files: POSIX record locks, which are the guest's own, and those of open file
// descriptions, which fork shares and which are therefore the host's.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/sys_lock.hpp"
#include "vmm/linux_abi/wait.hpp"

namespace faultline::vmm::linux_abi {
namespace {

// Linux flock64_to_posix_lock: the bytes that l_whence, l_start and l_len mean.
SysResult<RecordLock> range_of(const OpenFile& file, const struct flock& wanted) {
  off_t base = 0;
  if (wanted.l_whence == SEEK_CUR) {
    base = ::lseek(file.host_fd(), 0, SEEK_CUR);
  } else if (wanted.l_whence == SEEK_END) {
    struct stat st {};
    if (::fstat(file.host_fd(), &st) != 0) return sys_error(errno);
    base = st.st_size;
  } else if (wanted.l_whence != SEEK_SET) {
    return sys_error(EINVAL);
  }
  off_t first = 0, end = 0;
  if (base < 0) return sys_error(errno);
  if (__builtin_add_overflow(base, wanted.l_start, &first)) return sys_error(EOVERFLOW);
  if (first < 0) return sys_error(EINVAL);
  RecordLock lock;
  lock.first = static_cast<std::uint64_t>(first);
  if (wanted.l_len == 0) return lock;
  if (__builtin_add_overflow(first, wanted.l_len, &end)) return sys_error(EOVERFLOW);
  if (end < 0) return sys_error(EINVAL);
  lock.first = static_cast<std::uint64_t>(std::min(first, end));
  lock.last = static_cast<std::uint64_t>(std::max(first, end)) - 1;
  return lock;
}

struct flock told(const RecordLock& lock) {
  struct flock out {};
  out.l_type = lock.kind == RecordLock::Kind::kWrite ? F_WRLCK : F_RDLCK;
  out.l_whence = SEEK_SET;
  out.l_start = static_cast<off_t>(lock.first);
  out.l_len = lock.last == RecordLock::kToTheEnd ? 0 : static_cast<off_t>(lock.last - lock.first + 1);
  out.l_pid = lock.pid;
  return out;
}

SyscallValue posix_lock(Task& task, const OpenFile& file, int command, Gva at) {
  auto wanted = mmu::get_user<struct flock>(task.mm(), at);
  if (!wanted) return propagate(wanted);
  auto lock = range_of(file, *wanted);
  if (!lock) return propagate(lock);
  RecordLocks& locks = task.processes().locks;
  lock->owner = &task.files();
  lock->pid = task.pid();
  const bool unlock = wanted->l_type == F_UNLCK;
  if (!unlock && wanted->l_type != F_RDLCK && wanted->l_type != F_WRLCK) return sys_error(EINVAL);
  lock->kind = wanted->l_type == F_WRLCK ? RecordLock::Kind::kWrite : RecordLock::Kind::kRead;
  if (command == F_GETLK) {
    if (unlock) return sys_error(EINVAL);
    const auto other = locks.conflict(file.id(), *lock);
    if (other) return put(task, at, told(*other));
    wanted->l_type = F_UNLCK;
    return put(task, at, *wanted);
  }
  if (unlock) {
    locks.unlock(file.id(), lock->owner, lock->first, lock->last);
    return 0;
  }
  const bool write = lock->kind == RecordLock::Kind::kWrite;
  if (write ? !file.writable() : !file.readable()) return sys_error(EBADF);
  const auto other = locks.conflict(file.id(), *lock);
  static_cast<void>(locks.wait_for(lock->owner, nullptr));
  if (!other) {
    locks.set(file.id(), *lock);
    return 0;
  }
  if (command == F_SETLK) return sys_error(EAGAIN);
  if (task.signal_pending()) return sys_error(kRestartSys);
  if (!locks.wait_for(lock->owner, other->owner)) return sys_error(EDEADLK);
  task.wait_state().on_locks = true;
  return sys_error(kBlocked);
}

SyscallValue description_lock(Task& task, const OpenFile& file, int command, Gva at) {
  auto lock = mmu::get_user<struct flock>(task.mm(), at);
  if (!lock) return propagate(lock);
  const bool waits = command == F_OFD_SETLKW;
  const SyscallValue result = host_result(::fcntl(file.host_fd(), waits ? F_OFD_SETLK : command, &*lock));
  if (!result && waits && (result.error() == Errno(EAGAIN) || result.error() == Errno(EACCES))) return try_again(task);
  return result && command == F_OFD_GETLK ? put(task, at, *lock) : result;
}

}  // namespace

SyscallValue lock_file(Task& task, const OpenFile& file, int command, Gva at) {
  const bool posix = command == F_GETLK || command == F_SETLK || command == F_SETLKW;
  return posix ? posix_lock(task, file, command, at) : description_lock(task, file, command, at);
}

SyscallValue sys_flock(Task& task, const SyscallArgs& args) {
  auto file = io_file(task, args.i32(0));
  if (!file) return propagate(file);
  const int operation = args.i32(1);
  const SyscallValue result = host_result(::flock((*file)->host_fd(), operation | LOCK_NB));
  const bool waits = (operation & LOCK_NB) == 0;
  return !result && waits && result.error() == Errno(EWOULDBLOCK) ? try_again(task) : result;
}

}  // namespace faultline::vmm::linux_abi

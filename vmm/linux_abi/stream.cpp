#include "vmm/linux_abi/stream.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "vmm/linux_abi/virtual_io.hpp"
#include "vmm/linux_abi/wait.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::size_t kBounceBytes = 1U << 20;

// The first `bytes` of the buffers.
std::vector<UserBuffer> clip(std::vector<UserBuffer> buffers, std::uint64_t bytes) {
  for (UserBuffer& b : buffers) {
    b.length = std::min(b.length, bytes);
    bytes -= b.length;
  }
  return buffers;
}

std::uint64_t bytes_of(const std::vector<iovec>& pieces) {
  std::uint64_t n = 0;
  for (const iovec& p : pieces) n += p.iov_len;
  return n;
}

// What a transfer that stopped after `moved` bytes returns.
SyscallValue stopped(std::uint64_t moved, int error) {
  if (moved > 0) return moved;
  return sys_error(error == EINTR ? kRestartNoIntr : error);
}

// Copies to the buffers from byte `skip` on; returns the bytes copied.
std::uint64_t scatter(mmu::AddressSpace& mm, std::span<const UserBuffer> buffers, std::uint64_t skip,
                      std::span<const std::byte> bytes) {
  std::uint64_t copied = 0;
  for (const UserBuffer& b : buffers) {
    if (skip >= b.length) {
      skip -= b.length;
      continue;
    }
    const auto part = bytes.first(std::min<std::uint64_t>(bytes.size(), b.length - skip));
    const std::uint64_t missed = mmu::copy_to_user(mm, Gva(b.address + skip), part);
    copied += part.size() - missed;
    bytes = bytes.subspan(part.size());
    skip = 0;
    if (missed != 0 || bytes.empty()) break;
  }
  return copied;
}

// How many bytes of the buffers could be stored, at most `limit`, judged by the VMAs without
// faulting: what is taken out of a pipe cannot be put back.
std::uint64_t storable(const mmu::AddressSpace& mm, std::span<const UserBuffer> buffers, std::uint64_t limit) {
  std::uint64_t good = 0;
  for (const UserBuffer& b : buffers) {
    const std::uint64_t end = b.address + b.length;
    for (std::uint64_t at = b.address; at < end && good < limit;) {
      const mmu::Vma* vma = mm.vmas.find(Gva(at));
      const bool there = vma != nullptr && vma->flags.has(mmu::VmFlags::kWrite) &&
                         (vma->contains(Gva(at)) || vma->flags.has(mmu::VmFlags::kGrowsDown));
      if (!there) return good;
      const std::uint64_t part = std::min(end, vma->end.raw()) - at;
      good += part;
      at += part;
    }
  }
  return std::min(good, limit);
}

// Linux pipe_read takes a buffer of the pipe whole or not at all: how much may be asked for,
// with every buffer taken for a full page. 0: EFAULT.
std::uint64_t readable_from_pipe(const mmu::AddressSpace& mm, const OpenFile& file, std::span<const UserBuffer> buffers,
                                 std::uint64_t want) {
  int waiting = 0;
  if (::ioctl(file.host_fd(), FIONREAD, &waiting) != 0 || waiting <= 0) return want;
  const std::uint64_t come = std::min(want, static_cast<std::uint64_t>(waiting));
  const std::uint64_t good = storable(mm, buffers, come);
  return good == come ? want : good & ~kPageMask;
}

struct RegularRange {
  std::uint64_t at = 0, size = 0;
};

SysResult<RegularRange> range_of(const OpenFile& file, std::optional<std::uint64_t> offset) {
  struct stat st {};
  if (::fstat(file.host_fd(), &st) != 0) return sys_error(errno);
  const off_t position = offset ? static_cast<off_t>(*offset) : ::lseek(file.host_fd(), 0, SEEK_CUR);
  if (position < 0) return sys_error(offset ? EINVAL : errno);
  return RegularRange{static_cast<std::uint64_t>(position), static_cast<std::uint64_t>(st.st_size)};
}

// A file with a size: straight into guest memory, and no page is touched that gets no bytes.
SyscallValue read_regular(Task& task, const OpenFile& file, std::vector<UserBuffer> buffers, RegularRange range,
                          std::optional<std::uint64_t> offset) {
  const std::uint64_t there = range.at < range.size ? range.size - range.at : 0;
  buffers = clip(std::move(buffers), there);
  const std::uint64_t want = total_length(buffers);
  task.coherence().before_read(file, range.at, want);
  std::uint64_t moved = 0;
  while (moved < want) {
    const auto pieces = host_pieces(task.mm(), buffers, moved, mmu::UserAccess::kWrite);
    if (pieces.empty()) return stopped(moved, EFAULT);
    const int count = static_cast<int>(pieces.size());
    const ssize_t n = offset ? ::preadv(file.host_fd(), pieces.data(), count, static_cast<off_t>(*offset + moved))
                             : ::readv(file.host_fd(), pieces.data(), count);
    if (n < 0) return stopped(moved, errno);
    moved += static_cast<std::uint64_t>(n);
    if (static_cast<std::uint64_t>(n) < bytes_of(pieces)) break;
  }
  return moved;
}

// Pipes, terminals, devices, /proc: how much will come is not known, so it comes here first.
SyscallValue read_stream(Task& task, const std::shared_ptr<OpenFile>& opened, std::span<const UserBuffer> buffers,
                         std::optional<std::uint64_t> offset) {
  const OpenFile& file = *opened;
  if (offset && ::lseek(file.host_fd(), 0, SEEK_CUR) < 0) return sys_error(errno);  // ESPIPE, before any wait
  if (storable(task.mm(), buffers, 1) == 0) return sys_error(EFAULT);
  if (!ready(task, opened, Wait::kReadable)) return wait_on(task);
  std::uint64_t want = total_length(buffers);
  if (file.type() == S_IFIFO) want = readable_from_pipe(task.mm(), file, buffers, want);
  if (want == 0) return sys_error(EFAULT);
  std::vector<std::byte> bounce(std::min<std::uint64_t>(want, kBounceBytes));
  const bool continues = file.type() == S_IFCHR || file.regular();
  std::uint64_t moved = 0;
  do {
    const std::size_t ask = std::min<std::uint64_t>(bounce.size(), want - moved);
    const ssize_t n = offset ? ::pread(file.host_fd(), bounce.data(), ask, static_cast<off_t>(*offset + moved))
                             : ::read(file.host_fd(), bounce.data(), ask);
    if (n < 0) return stopped(moved, errno);
    const auto got = static_cast<std::uint64_t>(n);
    const std::uint64_t copied = scatter(task.mm(), buffers, moved, std::span(bounce).first(got));
    moved += copied;
    if (copied < got) {
      if (!offset) static_cast<void>(::lseek(file.host_fd(), -static_cast<off_t>(got - copied), SEEK_CUR));
      return stopped(moved, EFAULT);
    }
    if (got < ask) break;
  } while (continues && moved < want && want > kBounceBytes);
  return moved;
}

// Blocking pipes and sockets are written in pieces that cannot block: whoever reads may be a process
// of the guest, and needs the vCPU for it. How far it got is kept while the call waits.
SyscallValue write_pipe(Task& task, const std::shared_ptr<OpenFile>& opened, std::span<const UserBuffer> buffers) {
  const OpenFile& file = *opened;
  const std::uint64_t want = total_length(buffers);
  std::uint64_t& moved = task.wait_state().progress;
  while (moved < want) {
    if (!ready(task, opened, Wait::kWritable)) {
      // Linux pipe_write: what went is what a signal leaves of the call.
      if (moved > 0 && task.signal_pending()) return moved;
      return wait_on(task);
    }
    auto pieces = host_pieces(task.mm(), buffers, moved, mmu::UserAccess::kRead);
    if (pieces.empty()) return stopped(moved, EFAULT);
    std::size_t room = kPipeChunk, count = 0;
    for (; count < pieces.size() && room > 0; ++count) {
      pieces[count].iov_len = std::min(pieces[count].iov_len, room);
      room -= pieces[count].iov_len;
    }
    // pipe_write: a buffer of the pipe is filled whole or not at all.
    const bool cut = room > 0 && kPipeChunk - room < want - moved;
    if (cut && host_pieces(task.mm(), buffers, moved + kPipeChunk - room, mmu::UserAccess::kRead).empty())
      return stopped(moved, EFAULT);
    const ssize_t n = ::writev(file.host_fd(), pieces.data(), static_cast<int>(count));
    if (n < 0 && errno == EINTR) return sys_error(kRestartNoIntr);
    if (n < 0) return stopped(moved, errno);
    moved += static_cast<std::uint64_t>(n);
  }
  return moved;
}

SyscallValue write_pieces(Task& task, const OpenFile& file, std::span<const UserBuffer> buffers,
                          std::optional<std::uint64_t> offset) {
  const std::uint64_t want = total_length(buffers);
  std::uint64_t moved = 0;
  while (moved < want) {
    const auto pieces = host_pieces(task.mm(), buffers, moved, mmu::UserAccess::kRead);
    if (pieces.empty()) return stopped(moved, EFAULT);
    const int count = static_cast<int>(pieces.size());
    const ssize_t n = offset ? ::pwritev(file.host_fd(), pieces.data(), count, static_cast<off_t>(*offset + moved))
                             : ::writev(file.host_fd(), pieces.data(), count);
    if (n < 0) return stopped(moved, errno);
    moved += static_cast<std::uint64_t>(n);
    if (static_cast<std::uint64_t>(n) < bytes_of(pieces)) break;
  }
  return moved;
}

bool blocking(const OpenFile& file) {
  const int flags = ::fcntl(file.host_fd(), F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

}  // namespace

WriteSignals::WriteSignals(Task& task) : task_(task) {
  sigemptyset(&ours_);
  sigaddset(&ours_, SIGPIPE);
  sigaddset(&ours_, SIGXFSZ);
  ::pthread_sigmask(SIG_BLOCK, &ours_, &saved_);
}

WriteSignals::~WriteSignals() {
  const int error = errno;
  const timespec now{};
  for (int signal = 0; (signal = ::sigtimedwait(&ours_, nullptr, &now)) > 0;)
    task_.queue_signal(SignalInfo::from_user(signal, SI_USER, task_.config().pid, task_.config().uid));
  ::pthread_sigmask(SIG_SETMASK, &saved_, nullptr);
  errno = error;
}

SyscallValue read_file(Task& task, const std::shared_ptr<OpenFile>& opened, std::vector<UserBuffer> buffers,
                       std::optional<std::uint64_t> offset) {
  const OpenFile& file = *opened;
  if (!file.readable()) return sys_error(EBADF);
  if (file.directory()) return sys_error(EISDIR);
  if (offset && static_cast<std::int64_t>(*offset) < 0) return sys_error(EINVAL);
  if (file.virtual_file() != nullptr) return read_virtual(task, file, buffers, offset);
  if (total_length(buffers) == 0) return 0;
  if (file.regular()) {
    const auto range = range_of(file, offset);
    if (!range) return propagate(range);
    if (range->size != 0) return read_regular(task, file, std::move(buffers), *range, offset);
  }
  return read_stream(task, opened, buffers, offset);
}

SyscallValue write_file(Task& task, const std::shared_ptr<OpenFile>& opened, std::vector<UserBuffer> buffers,
                        std::optional<std::uint64_t> offset) {
  const OpenFile& file = *opened;
  if (!file.writable()) return sys_error(EBADF);
  if (offset && static_cast<std::int64_t>(*offset) < 0) return sys_error(EINVAL);
  if (file.virtual_file() != nullptr) return write_virtual(task, file, buffers, offset);
  if (total_length(buffers) == 0) return 0;
  const WriteSignals signals(task);
  if (!file.regular()) {
    const bool holds_little = file.type() == S_IFIFO || file.type() == S_IFSOCK;
    if (holds_little && !offset && blocking(file)) return write_pipe(task, opened, buffers);
    if (!ready(task, opened, Wait::kWritable)) return wait_on(task);
    return write_pieces(task, file, buffers, offset);
  }
  auto range = range_of(file, offset);
  if (!range) return propagate(range);
  const int flags = ::fcntl(file.host_fd(), F_GETFL);
  const std::uint64_t at = flags >= 0 && (flags & O_APPEND) != 0 ? range->size : range->at;
  SyscallValue result = write_pieces(task, file, buffers, offset);
  if (result) task.coherence().after_write(file, range->size, at, *result);
  return result;
}

}  // namespace faultline::vmm::linux_abi

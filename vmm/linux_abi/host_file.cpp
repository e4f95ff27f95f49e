#include "vmm/linux_abi/host_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "vmm/host/readahead.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::size_t kPagesPerCall = 64;

SysResult<FileDescriptor> duplicate(int host_fd) {
  FileDescriptor fd(::fcntl(host_fd, F_DUPFD_CLOEXEC, 0));
  if (!fd) return sys_error(errno);
  return fd;
}

mmu::FileKind kind_of(int fd) {
  struct statfs fs {};
  const bool shmem = ::fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC);
  return shmem ? mmu::FileKind::kShmem : mmu::FileKind::kRegular;
}

using Pages = std::span<const std::span<std::byte, kPageSize>>;

// Zeroes what a short read left of the pages.
void clear_rest(Pages pages, std::size_t filled) {
  for (std::size_t i = filled / kPageSize; i < pages.size(); ++i) {
    const std::size_t keep = i == filled / kPageSize ? filled % kPageSize : 0;
    std::memset(pages[i].data() + keep, 0, kPageSize - keep);
  }
}

// As many bytes as one call gives; 0 at the end of the file; -errno.
ssize_t read_some(int fd, Pages pages, std::size_t done, std::uint64_t offset, int flags) {
  std::array<iovec, kPagesPerCall> iov{};
  std::size_t count = 0, skip = done % kPageSize;
  for (std::size_t i = done / kPageSize; i < pages.size() && count < iov.size(); ++i, skip = 0)
    iov[count++] = {pages[i].data() + skip, kPageSize - skip};
  const ssize_t n = ::preadv2(fd, iov.data(), static_cast<int>(count), static_cast<off_t>(offset + done), flags);
  return n < 0 ? -errno : n;
}

// Of linux/mman.h and asm/unistd.h, newer than this C library.
constexpr long kCachestat = 451;
struct CachestatRange {
  std::uint64_t offset, length;
};
struct Cachestat {
  std::uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

std::optional<std::uint64_t> count_cached(int fd, std::uint64_t offset, std::uint64_t bytes) {
  CachestatRange range{offset, bytes};
  Cachestat found{};
  if (::syscall(kCachestat, fd, &range, &found, 0) != 0) return std::nullopt;
  return found.cached;
}

// How much of [offset, offset + want) the host's page cache holds before its first gap. All of it
// where the host does not tell: reading finds out then, and starts reading ahead by it.
std::size_t bytes_cached(int fd, std::uint64_t offset, std::size_t want) {
  const auto all = count_cached(fd, offset, want);
  if (!all || *all >= want / kPageSize) return want;
  std::size_t bytes = 0;
  while (bytes < want && count_cached(fd, offset + bytes, kPageSize).value_or(0) != 0) bytes += kPageSize;
  return bytes;
}

}  // namespace

SysResult<std::unique_ptr<HostFile>> HostFile::create(int host_fd, bool writable) {
  struct stat st {};
  if (::fstat(host_fd, &st) != 0) return sys_error(errno);
  auto fd = duplicate(host_fd);
  if (!fd) return tl::unexpected(fd.error());
  const mmu::FileKind kind = kind_of(host_fd);
  return std::unique_ptr<HostFile>(new HostFile(std::move(*fd), writable, mmu::FileId{st.st_dev, st.st_ino}, kind));
}

std::uint64_t HostFile::size() const {
  struct stat st {};
  return ::fstat(fd_.get(), &st) == 0 && st.st_size > 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
}

// How much of [offset, offset + want) a tmpfs file holds before its next hole. Pages on swap
// count as held, which Linux would not map around a fault.
std::uint64_t HostFile::bytes_in_memory(std::uint64_t offset, std::uint64_t want) {
  if (!extents_)
    extents_ = FileDescriptor(::open(fmt::format("/proc/self/fd/{}", fd_.get()).c_str(), O_RDONLY | O_CLOEXEC));
  const auto at = static_cast<off_t>(offset);
  if (!extents_ || ::lseek(extents_.get(), at, SEEK_DATA) != at) return 0;
  const off_t hole = ::lseek(extents_.get(), at, SEEK_HOLE);
  return hole > at ? std::min(want, static_cast<std::uint64_t>(hole - at)) : 0;
}

SysResult<mmu::ReadPages> HostFile::read_pages(Pgoff first, Pages pages, mmu::ReadWait wait) {
  const std::uint64_t offset = first.raw() << kPageShift;
  std::size_t want = pages.size() * kPageSize;
  const bool shmem = kind_ == mmu::FileKind::kShmem;
  if (shmem && wait == mmu::ReadWait::kCachedOnly) want = bytes_in_memory(offset, want);
  const Pages asked = pages.first(page_align(want) >> kPageShift);
  if (!shmem && wait == mmu::ReadWait::kCachedOnly) want = bytes_cached(fd_.get(), offset, want);
  mmu::ReadPages result;
  int flags = shmem ? 0 : RWF_NOWAIT;
  while (result.bytes < want) {
    const ssize_t n = read_some(fd_.get(), asked, result.bytes, offset, flags);
    if (n > 0) {
      result.bytes += static_cast<std::size_t>(n);
      continue;
    }
    if (n == -EINTR) continue;
    // EOPNOTSUPP: a file system without RWF_NOWAIT; what it must do to read is unknown.
    if (flags != 0 && (n == -EAGAIN || n == -EOPNOTSUPP) && wait == mmu::ReadWait::kMayBlock) {
      result.did_io |= n == -EAGAIN;
      flags = 0;
      continue;
    }
    if (n == 0 || (flags != 0 && (n == -EAGAIN || n == -EOPNOTSUPP))) break;
    return sys_error(static_cast<int>(-n));
  }
  clear_rest(pages, result.bytes);
  return result;
}

std::uint64_t HostFile::readahead_pages() const {
  if (!readahead_) readahead_ = vmm::readahead_pages(id_.device);
  return *readahead_;
}

std::optional<std::uint64_t> HostFile::pages_in_memory(Pgoff first, std::uint64_t count) const {
  return count_cached(fd_.get(), first.raw() << kPageShift, count << kPageShift);
}

SysResult<void> HostFile::write_page(Pgoff page, std::span<const std::byte, kPageSize> bytes) {
  const std::uint64_t offset = page.raw() << kPageShift;
  const std::uint64_t end = size();
  std::size_t left = offset < end ? std::min<std::uint64_t>(kPageSize, end - offset) : 0;
  std::size_t done = 0;
  while (left > 0) {
    const ssize_t n = ::pwrite(fd_.get(), bytes.data() + done, left, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_error(errno);
    if (n == 0) return sys_error(EIO);
    done += static_cast<std::size_t>(n);
    left -= static_cast<std::size_t>(n);
  }
  return {};
}

SysResult<void> HostFile::page_mkwrite(Pgoff) {
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = 0, .tv_nsec = UTIME_NOW}};
  // A file system that keeps no times is none the worse for it.
  static_cast<void>(::futimens(fd_.get(), times));
  return {};
}

SysResult<void> HostFile::punch_hole(Pgoff first, std::uint64_t count) {
  const auto offset = static_cast<off_t>(first.raw() << kPageShift), length = static_cast<off_t>(count << kPageShift);
  if (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0) return {};
  return sys_error(errno == EBADF ? EACCES : errno);
}

void HostFile::advise(mmu::FileAdvice advice, Pgoff first, std::uint64_t count) {
  const int what = advice == mmu::FileAdvice::kWillneed ? POSIX_FADV_WILLNEED : POSIX_FADV_DONTNEED;
  const auto offset = static_cast<off_t>(first.raw() << kPageShift), length = static_cast<off_t>(count << kPageShift);
  static_cast<void>(::posix_fadvise(fd_.get(), offset, length, what));
}

std::size_t HostFile::read_bytes(std::uint64_t offset, std::span<std::byte> to) const {
  ssize_t n = -1;
  do {
    n = ::pread(fd_.get(), to.data(), to.size(), static_cast<off_t>(offset));
  } while (n < 0 && errno == EINTR);
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

SysResult<void> HostFile::make_writable(int host_fd) {
  auto fd = duplicate(host_fd);
  if (!fd) return tl::unexpected(fd.error());
  fd_ = std::move(*fd);
  writable_ = true;
  return {};
}

}  // namespace faultline::vmm::linux_abi

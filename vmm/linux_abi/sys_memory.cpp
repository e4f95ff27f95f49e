// mmap and its relatives: arguments to the functions of mmu/space/operations.hpp.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <vector>

#include "mmu/space/operations.hpp"
#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi {
namespace {

SyscallValue address(const SysResult<Gva>& result) { return result ? SyscallValue(result->raw()) : propagate(result); }

bool is_dev_zero(const OpenFile& file) {
  struct stat st {};
  return ::fstat(file.host_fd(), &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 5);
}

// memfd seals: no new writable shared mapping once writing is sealed.
bool sealed(const OpenFile& file) {
  const int seals = ::fcntl(file.host_fd(), F_GET_SEALS);
  return seals > 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
}

SyscallValue map_file(Task& task, const OpenFile& file, mmu::MmapRequest request) {
  if (is_dev_zero(file)) {
    request.flags |= MAP_ANONYMOUS;
    return address(mmu::do_mmap(task.mm(), request));
  }
  const int type = request.flags & MAP_TYPE;
  const bool shared = type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
  if (shared && (request.prot & PROT_WRITE) != 0 && sealed(file)) return sys_error(EPERM);
  auto mapping = task.coherence().mapping_of(file, shared && file.writable());
  if (!mapping) return propagate(mapping);
  request.file = *mapping;
  request.file_readable = file.readable();
  request.file_writable = file.writable() && !(shared && sealed(file));
  request.name = task.file_system().describe(file.host_fd());
  return address(mmu::do_mmap(task.mm(), request));
}

SyscallValue sys_mmap(Task& task, const SyscallArgs& args) {
  mmu::MmapRequest request{
      .address = args[0], .length = args[1], .prot = args.i32(2), .flags = args.i32(3), .offset = args[5]};
  if ((request.offset & kPageMask) != 0) return sys_error(EINVAL);
  if ((request.flags & MAP_ANONYMOUS) != 0) return address(mmu::do_mmap(task.mm(), request));
  auto file = io_file(task, args.i32(4));
  if (!file) return propagate(file);
  return map_file(task, **file, std::move(request));
}

SyscallValue sys_munmap(Task& task, const SyscallArgs& args) {
  return done(mmu::do_munmap(task.mm(), args[0], args[1]));
}
SyscallValue sys_mprotect(Task& task, const SyscallArgs& args) {
  return done(mmu::do_mprotect(task.mm(), args[0], args[1], args.i32(2)));
}
SyscallValue sys_mremap(Task& task, const SyscallArgs& args) {
  return address(mmu::do_mremap(task.mm(), args[0], args[1], args[2], args.i32(3), args[4]));
}
SyscallValue sys_brk(Task& task, const SyscallArgs& args) { return mmu::do_brk(task.mm(), args[0]).raw(); }
SyscallValue sys_madvise(Task& task, const SyscallArgs& args) {
  return done(mmu::do_madvise(task.mm(), args[0], args[1], args.i32(2)));
}
SyscallValue sys_msync(Task& task, const SyscallArgs& args) {
  return done(mmu::do_msync(task.mm(), args[0], args[1], args.i32(2)));
}

// Linux mincore: a page of results at a time.
SyscallValue sys_mincore(Task& task, const SyscallArgs& args) {
  const std::uint64_t limit = task.mm().task_size().raw();
  std::uint64_t at = args[0], out = args[2];
  if ((at & kPageMask) != 0) return sys_error(EINVAL);
  if (args[1] > limit || at > limit - args[1]) return sys_error(ENOMEM);
  std::uint64_t pages = page_align(args[1]) >> kPageShift;
  if (pages > limit || out > limit - pages) return sys_error(EFAULT);
  std::array<std::byte, kPageSize> vector{};
  while (pages > 0) {
    const std::uint64_t n = std::min<std::uint64_t>(pages, vector.size());
    const auto part = std::span(vector).first(n);
    if (auto ok = mmu::do_mincore(task.mm(), at, n * kPageSize, part); !ok) return propagate(ok);
    if (mmu::copy_to_user(task.mm(), Gva(out), part) != 0) return sys_error(EFAULT);
    at += n * kPageSize;
    out += n;
    pages -= n;
  }
  return 0;
}

SyscallValue sys_mlock(Task& task, const SyscallArgs& args) {
  return done(mmu::do_mlock(task.mm(), args[0], args[1], false));
}
SyscallValue sys_mlock2(Task& task, const SyscallArgs& args) {
  const int flags = args.i32(2);
  if ((flags & ~static_cast<int>(MLOCK_ONFAULT)) != 0) return sys_error(EINVAL);
  return done(mmu::do_mlock(task.mm(), args[0], args[1], flags != 0));
}
SyscallValue sys_munlock(Task& task, const SyscallArgs& args) {
  return done(mmu::do_munlock(task.mm(), args[0], args[1]));
}
SyscallValue sys_mlockall(Task& task, const SyscallArgs& args) {
  return done(mmu::do_mlockall(task.mm(), args.i32(0)));
}
SyscallValue sys_munlockall(Task& task, const SyscallArgs&) { return done(mmu::do_munlockall(task.mm())); }

SyscallValue sys_pkey_mprotect(Task& task, const SyscallArgs& args) {
  return done(mmu::do_mprotect(task.mm(), args[0], args[1], args.i32(2), args.i32(3)));
}
SyscallValue sys_pkey_alloc(Task& task, const SyscallArgs& args) {
  const auto pkey = mmu::do_pkey_alloc(task.mm(), args[0], args[1]);
  return pkey ? SyscallValue(static_cast<std::uint64_t>(*pkey)) : propagate(pkey);
}
SyscallValue sys_pkey_free(Task& task, const SyscallArgs& args) {
  return done(mmu::do_pkey_free(task.mm(), args.i32(0)));
}
SyscallValue sys_mseal(Task& task, const SyscallArgs& args) {
  if (!task.mm().env().behaviour.mseal) return sys_error(ENOSYS);
  return done(mmu::do_mseal(task.mm(), args[0], args[1], args[2]));
}

// Linux import_iovec: the pieces, cut where their sum becomes too large.
SysResult<std::vector<iovec>> import_iovec(Task& task, Gva from, std::uint64_t count) {
  constexpr std::uint64_t kMaxBytes = 0x7fff'f000;  // MAX_RW_COUNT
  if (count > UIO_MAXIOV) return sys_error(EINVAL);
  std::vector<iovec> pieces(count);
  if (mmu::copy_from_user(task.mm(), std::as_writable_bytes(std::span(pieces)), from) != 0) return sys_error(EFAULT);
  std::uint64_t total = 0;
  for (iovec& piece : pieces) {
    if (static_cast<std::int64_t>(piece.iov_len) < 0) return sys_error(EINVAL);
    piece.iov_len = std::min<std::uint64_t>(piece.iov_len, kMaxBytes - total);
    total += piece.iov_len;
  }
  return pieces;
}

// For the process itself, which is the only one whose memory it may advise on here.
SyscallValue sys_process_madvise(Task& task, const SyscallArgs& args) {
  constexpr int kSelfThread = -10000, kSelfProcess = -10001;  // PIDFD_SELF_*
  const int advice = args.i32(3);
  if (!task.mm().env().behaviour.process_madvise) return sys_error(ENOSYS);
  if (args[4] != 0) return sys_error(EINVAL);
  const auto pieces = import_iovec(task, args.gva(1), args[2]);
  if (!pieces) return propagate(pieces);
  if (args.i32(0) != kSelfThread && args.i32(0) != kSelfProcess) return sys_error(EBADF);
  if (!mmu::process_madvise_allows(task.mm(), advice)) return sys_error(EINVAL);
  std::uint64_t bytes = 0;
  for (const iovec& piece : *pieces) {
    const auto advised =
        mmu::do_madvise(task.mm(), reinterpret_cast<std::uint64_t>(piece.iov_base), piece.iov_len, advice);
    if (!advised) return bytes != 0 ? SyscallValue(bytes) : propagate(advised);
    bytes += piece.iov_len;
  }
  return bytes;
}

// Of asm/unistd.h, newer than this C library.
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

}  // namespace

std::span<const SyscallEntry> memory_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_pkey_mprotect, sys_pkey_mprotect},
      {SYS_pkey_alloc, sys_pkey_alloc},
      {SYS_pkey_free, sys_pkey_free},
      {SYS_mseal, sys_mseal},
      {SYS_process_madvise, sys_process_madvise},
      {SYS_mmap, sys_mmap},
      {SYS_mprotect, sys_mprotect},
      {SYS_munmap, sys_munmap},
      {SYS_brk, sys_brk},
      {SYS_mremap, sys_mremap},
      {SYS_msync, sys_msync},
      {SYS_mincore, sys_mincore},
      {SYS_madvise, sys_madvise},
      {SYS_mlock, sys_mlock},
      {SYS_munlock, sys_munlock},
      {SYS_mlockall, sys_mlockall},
      {SYS_munlockall, sys_munlockall},
      {SYS_mlock2, sys_mlock2},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

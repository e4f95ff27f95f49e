// Follows msync (mm/msync.c) and, for MS_SYNC, what vfs_fsync_range does to mapped pages.
#include <sys/mman.h>

#include <algorithm>

#include "mmu/space/operations.hpp"
#include "mmu/space/zap.hpp"

namespace faultline::mmu {

namespace {

// Writes the pages that [start, end) of a shared mapping covers back.
SysResult<void> sync_file(const Vma& vma, Gva start, Gva end) {
  const std::shared_ptr<FileMapping> file = vma.file;
  const Pgoff first = vma.page_index(start);
  const Pgoff last = vma.page_index(end - kPageSize);
  collect_dirty(*file, first, last);
  return file->write_back(first, last);
}

}  // namespace

SysResult<void> do_msync(AddressSpace& mm, std::uint64_t address, std::uint64_t length, int flags) {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) != 0 || (address & kPageMask) != 0) return sys_error(EINVAL);
  if ((flags & MS_ASYNC) != 0 && (flags & MS_SYNC) != 0) return sys_error(EINVAL);
  const std::uint64_t stop = address + page_align(length);
  if (stop < address) return sys_error(ENOMEM);
  Gva at(address);
  const Gva end(stop);
  bool hole = false;
  while (at < end) {
    const Vma* vma = mm.vmas.find(at);
    if (vma == nullptr) return sys_error(ENOMEM);
    if (at < vma->start) {
      if (flags == MS_ASYNC) return sys_error(ENOMEM);
      hole = true;
      at = vma->start;
      if (at >= end) break;
    }
    if ((flags & MS_INVALIDATE) != 0 && vma->flags.has(VmFlags::kLocked)) return sys_error(EBUSY);
    const Gva part_end = std::min(vma->end, end);
    if ((flags & MS_SYNC) != 0 && !vma->anonymous() && vma->flags.has(VmFlags::kShared)) {
      if (auto written = sync_file(*vma, at, part_end); !written) return written;
    }
    at = part_end;
  }
  if (hole) return sys_error(ENOMEM);
  return {};
}

}  // namespace faultline::mmu

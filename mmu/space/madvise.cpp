// Follows mm/madvise.c of Linux 6.18: arguments, the walk over VMAs, and what is a few lines of
// each advice. The rest is in guard.cpp, reclaim_advice.cpp and collapse.cpp.
#include <sys/mman.h>

#include <algorithm>

#include "mmu/space/advice.hpp"
#include "mmu/space/merge.hpp"
#include "mmu/space/notify.hpp"
#include "mmu/space/operations.hpp"
#include "mmu/space/populate.hpp"
#include "mmu/space/zap.hpp"

namespace faultline::mmu {

namespace {

// Advice that this <sys/mman.h> may not know.
enum : int {
  kPopulateRead = 22,
  kPopulateWrite = 23,
  kDontneedLocked = 24,
  kCollapse = 25,
  kGuardInstall = 102,
  kGuardRemove = 103,
};

// Does this Linux know the advice (madvise_behavior_valid)?
bool known(const LinuxBehaviour& linux_is, int advice) {
  switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_REMOVE:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP: return true;
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK: return linux_is.wipe_on_fork;
    case MADV_COLD:
    case MADV_PAGEOUT: return linux_is.cold_and_pageout;
    case kPopulateRead:
    case kPopulateWrite: return linux_is.populate_advice;
    case kDontneedLocked: return linux_is.dontneed_locked;
    case kCollapse: return linux_is.collapse;
    case kGuardInstall:
    case kGuardRemove: return linux_is.guard_regions;
    default: return false;
  }
}

// Linux is_discard: after which the memory reads differently.
bool discards(int advice) {
  switch (advice) {
    case MADV_FREE:
    case MADV_DONTNEED:
    case kDontneedLocked:
    case MADV_REMOVE:
    case MADV_DONTFORK:
    case MADV_WIPEONFORK:
    case kGuardInstall: return true;
    default: return false;
  }
}

// Linux can_madvise_modify: a seal keeps what could not be written anyway from being discarded.
bool sealed_against(const Vma& vma, int advice) {
  if (!vma.flags.has(VmFlags::kSealed) || !discards(advice)) return false;
  return vma.anonymous() && !vma.flags.has(VmFlags::kWrite);
}

// The flags of `vma` after the advice (Linux madvise_vma_behavior, ksm_madvise, hugepage_madvise).
// Advice that is no matter of flags leaves them.
SysResult<VmFlags> advised_flags(const Vma& vma, int advice) {
  const VmFlags old = vma.flags;
  switch (advice) {
    case MADV_NORMAL: return old.without(VmFlags::kRandRead | VmFlags::kSeqRead);
    case MADV_RANDOM: return old.without(VmFlags::kSeqRead).with(VmFlags::kRandRead);
    case MADV_SEQUENTIAL: return old.without(VmFlags::kRandRead).with(VmFlags::kSeqRead);
    case MADV_DONTFORK: return old.with(VmFlags::kDontCopy);
    case MADV_DOFORK: return old.without(VmFlags::kDontCopy);
    case MADV_MERGEABLE:
      return old.any(VmFlags::kShared | VmFlags::kMayShare | VmFlags::kDroppable) ? old : old.with(VmFlags::kMergeable);
    case MADV_UNMERGEABLE: return old.without(VmFlags::kMergeable);
    case MADV_HUGEPAGE: return old.without(VmFlags::kNoHugePage).with(VmFlags::kHugePage);
    case MADV_NOHUGEPAGE: return old.without(VmFlags::kHugePage).with(VmFlags::kNoHugePage);
    case MADV_DONTDUMP: return old.with(VmFlags::kDontDump);
    case MADV_DODUMP:
      if (old.has(VmFlags::kDroppable)) return sys_error(EINVAL);
      return old.without(VmFlags::kDontDump);
    case MADV_WIPEONFORK:
      if (!vma.anonymous() || old.has(VmFlags::kShared)) return sys_error(EINVAL);
      return old.with(VmFlags::kWipeOnFork);
    case MADV_KEEPONFORK:
      if (old.has(VmFlags::kDroppable)) return sys_error(EINVAL);
      return old.without(VmFlags::kWipeOnFork);
    default: return old;
  }
}

// The tables that the range spans whole go when they are empty. A range may be most of user space:
// what has no tables is passed over as high up as there are none.
void reclaim_tables(AddressSpace& mm, Gva start, Gva end, TlbGather& gather) {
  const std::uint64_t span = level_span(2, mm.mode());
  for (std::uint64_t at = (start.raw() + span - 1) & ~(span - 1); at + span <= end.raw();) {
    const Level level = mm.tables().walk(Gva(at)).last().level;
    if (level == 1) mm.tables().free_empty_table(Gva(at), gather);
    at = (at | (level_span(std::max(level, 2U), mm.mode()) - 1)) + 1;
  }
}

// Linux zap_page_range_single with reclaim_pt.
void zap_and_reclaim(AddressSpace& mm, const Vma& vma, Gva start, Gva end) {
  const NotifierRange notify(mm, NotifierEvent::kClear, start, end);
  TlbGather gather(mm.tables());
  zap_range(mm, vma, start, end, gather, ZapMarkers::kKeep);
  if (mm.env().behaviour.pt_reclaim) reclaim_tables(mm, start, end, gather);
  gather.flush();
}

// Punches a hole into the file (Linux madvise_remove): mapped pages go, private copies stay,
// and the file reads as zeroes there.
SysResult<void> remove(const Vma& vma, Gva start, Gva end) {
  if (vma.flags.has(VmFlags::kLocked) || vma.anonymous()) return sys_error(EINVAL);
  if (!vma.flags.has(VmFlags::kShared) || !vma.flags.has(VmFlags::kMayWrite)) return sys_error(EACCES);
  const std::shared_ptr<FileMapping> file = vma.file;
  const Pgoff first = vma.page_index(start), last = vma.page_index(end - kPageSize);
  unmap_file_range(*file, first, last, PrivateCopies::kKeep);
  return file->punch_hole(first, last);
}

// One VMA's part of the range, for advice about its pages.
SysResult<void> advise_pages(AddressSpace& mm, Vma& vma, Gva start, Gva end, int advice) {
  const bool locked = vma.flags.has(VmFlags::kLocked);
  switch (advice) {
    case MADV_DONTNEED:
      if (locked) return sys_error(EINVAL);
      [[fallthrough]];
    case kDontneedLocked: zap_and_reclaim(mm, vma, start, end); return {};
    case MADV_FREE:
      if (locked || !vma.anonymous()) return sys_error(EINVAL);
      mark_lazy_free(mm, start, end);
      return {};
    case MADV_COLD:
    case MADV_PAGEOUT:
      if (locked) return sys_error(EINVAL);
      advice == MADV_COLD ? make_cold(mm, start, end) : page_out(mm, vma, start, end);
      return {};
    case MADV_WILLNEED:
      if (!vma.anonymous())
        vma.file->file().advise(FileAdvice::kWillneed, vma.page_index(start), end.page() - start.page());
      return {};
    case MADV_REMOVE: return remove(vma, start, end);
    case kCollapse: return collapse(mm, vma, start, end);
    case kGuardInstall: return guard_install(mm, vma, start, end);
    case kGuardRemove: return guard_remove(mm, vma, start, end);
    default: return {};
  }
}

// One VMA's part of the range. Returns where the next part begins at the earliest.
SysResult<Gva> advise_vma(AddressSpace& mm, Vma& vma, Gva start, Gva end, int advice) {
  if (sealed_against(vma, advice)) return sys_error(EPERM);
  const SysResult<VmFlags> flags = advised_flags(vma, advice);
  if (!flags) return tl::unexpected(flags.error());
  if (*flags != vma.flags) {
    const SysResult<Vma*> changed = modify_range(mm, vma, start, end, *flags);
    if (!changed) return sys_error(EAGAIN);  // madvise(2): resources temporarily unavailable
    return (*changed)->end;
  }
  if (auto done = advise_pages(mm, vma, start, end, advice); !done) return tl::unexpected(done.error());
  return end;
}

// Linux madvise_walk_vmas: holes are passed over, and told of at the end.
SysResult<void> walk_vmas(AddressSpace& mm, Gva start, Gva end, int advice) {
  bool hole = false;
  for (Gva at = start; at < end;) {
    Vma* vma = mm.vmas.find(at);
    if (vma == nullptr) return sys_error(ENOMEM);
    if (at < vma->start) {
      hole = true;
      at = vma->start;
      if (at >= end) break;
    }
    const SysResult<Gva> next = advise_vma(mm, *vma, at, std::min(vma->end, end), advice);
    if (!next) return tl::unexpected(next.error());
    at = *next;
  }
  if (hole) return sys_error(ENOMEM);
  return {};
}

}  // namespace

bool process_madvise_allows(const AddressSpace& mm, int advice) {
  if (mm.env().behaviour.process_madvise_self) return true;
  return advice == MADV_COLD || advice == MADV_PAGEOUT || advice == MADV_WILLNEED || advice == kCollapse;
}

SysResult<void> do_madvise(AddressSpace& mm, std::uint64_t address, std::uint64_t length, int advice) {
  if (!known(mm.env().behaviour, advice) || (address & kPageMask) != 0) return sys_error(EINVAL);
  const std::uint64_t bytes = page_align(length);
  if (length != 0 && bytes == 0) return sys_error(EINVAL);
  const std::uint64_t end = address + bytes;
  if (end < address) return sys_error(EINVAL);
  if (end == address) return {};
  if (advice == kPopulateRead || advice == kPopulateWrite)
    return populate_for_access(mm, Gva(address), Gva(end), advice == kPopulateWrite);
  return walk_vmas(mm, Gva(address), Gva(end), advice);
}

}  // namespace faultline::mmu

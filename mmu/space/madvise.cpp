// Follows mm/madvise.c of Linux 6.18. Without reclaim and swap yet, WILLNEED, COLD and PAGEOUT
// are checked and then have nothing to do; FREE marks pages clean, and nobody takes them.
// Not here: COLLAPSE (needs huge pages), GUARD_INSTALL and GUARD_REMOVE.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "mmu/pgtable/editor.hpp"
#include "mmu/space/merge.hpp"
#include "mmu/space/operations.hpp"
#include "mmu/space/populate.hpp"
#include "mmu/space/slots.hpp"
#include "mmu/space/zap.hpp"

namespace faultline::mmu {

namespace {

// Advice that this <sys/mman.h> may not know.
constexpr int kPopulateRead = 22, kPopulateWrite = 23, kDontneedLocked = 24;

// What one piece of advice does to a VMA's part of the range.
enum class Action : std::uint8_t { kInvalid, kFlags, kDontneed, kFree, kHintOnly, kWillneed, kRemove, kPopulate };

constexpr Action action_of(int advice) {
  switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK: return Action::kFlags;
    case MADV_WILLNEED: return Action::kWillneed;
    case MADV_DONTNEED:
    case kDontneedLocked: return Action::kDontneed;
    case MADV_FREE: return Action::kFree;
    case MADV_COLD:
    case MADV_PAGEOUT: return Action::kHintOnly;
    case MADV_REMOVE: return Action::kRemove;
    case kPopulateRead:
    case kPopulateWrite: return Action::kPopulate;
    default: return Action::kInvalid;
  }
}

// The flags of `vma` after the advice (Linux madvise_vma_behavior, ksm_madvise, hugepage_madvise).
SysResult<VmFlags> advised_flags(const Vma& vma, int advice) {
  const VmFlags old = vma.flags;
  switch (advice) {
    case MADV_RANDOM: return old.without(VmFlags::kSeqRead).with(VmFlags::kRandRead);
    case MADV_SEQUENTIAL: return old.without(VmFlags::kRandRead).with(VmFlags::kSeqRead);
    case MADV_DONTFORK: return old.with(VmFlags::kDontCopy);
    case MADV_DOFORK: return old.without(VmFlags::kDontCopy);
    case MADV_MERGEABLE: return old.any(VmFlags::kShared | VmFlags::kMayShare) ? old : old.with(VmFlags::kMergeable);
    case MADV_UNMERGEABLE: return old.without(VmFlags::kMergeable);
    case MADV_HUGEPAGE: return old.without(VmFlags::kNoHugePage).with(VmFlags::kHugePage);
    case MADV_NOHUGEPAGE: return old.without(VmFlags::kHugePage).with(VmFlags::kNoHugePage);
    case MADV_DONTDUMP: return old.with(VmFlags::kDontDump);
    case MADV_DODUMP: return old.without(VmFlags::kDontDump);
    case MADV_WIPEONFORK:
      if (!vma.anonymous() || old.has(VmFlags::kShared)) return sys_error(EINVAL);
      return old.with(VmFlags::kWipeOnFork);
    case MADV_KEEPONFORK: return old.without(VmFlags::kWipeOnFork);
    default: return old.without(VmFlags::kRandRead | VmFlags::kSeqRead);  // MADV_NORMAL
  }
}

// Linux madvise_free_pte_range: the pages may go when memory is short, until they are written.
void mark_free(AddressSpace& mm, Gva start, Gva end) {
  TlbGather gather(mm.tables());
  PtEditor editor(gather);
  for_each_slot(mm, start, end, [&](PteSlot slot, Gva va) {
    const Pte entry = slot.load();
    if (entry.kind(1) != PteKind::kLeaf || entry.special()) return;
    if ((entry.raw() & (Pte::kDirty | Pte::kAccessed)) != 0) editor.clear_flags(slot, va, Pte::kDirty | Pte::kAccessed);
  });
  gather.flush();
}

// Punches a hole into the file (Linux madvise_remove): mapped pages go, private copies stay,
// and the file reads as zeroes there.
SysResult<void> remove(AddressSpace& mm, const Vma& vma, Gva start, Gva end) {
  if (vma.flags.has(VmFlags::kLocked) || vma.anonymous()) return sys_error(EINVAL);
  if (!vma.flags.has(VmFlags::kShared) || !vma.flags.has(VmFlags::kMayWrite)) return sys_error(EACCES);
  const std::shared_ptr<FileMapping> file = vma.file;
  const Pgoff first = vma.page_index(start);
  const Pgoff last = vma.page_index(end - kPageSize);
  unmap_file_range(*file, first, last, PrivateCopies::kKeep);
  const std::uint64_t stop = std::min(last.raw() + 1, file->size_in_pages());
  for (std::uint64_t page = first.raw(); page < stop; ++page) {
    const auto frame = file->fetch(Pgoff(page));
    if (!frame) return tl::unexpected(frame.error());
    const auto bytes = mm.frames().memory().page(frame->frame);
    std::memset(bytes.data(), 0, bytes.size());
    file->mark_dirty(Pgoff(page));
  }
  return {};
}

SysResult<void> dontneed(AddressSpace& mm, const Vma& vma, Gva start, Gva end, int advice) {
  if (advice != kDontneedLocked && vma.flags.has(VmFlags::kLocked)) return sys_error(EINVAL);
  TlbGather gather(mm.tables());
  zap_range(mm, vma, start, end, gather);
  gather.flush();
  return {};
}

// One VMA's part of the range. Returns where the next part begins at the earliest.
SysResult<Gva> advise_vma(AddressSpace& mm, Vma& vma, Gva start, Gva end, int advice) {
  const bool locked = vma.flags.has(VmFlags::kLocked);
  SysResult<void> done;
  switch (action_of(advice)) {
    case Action::kFlags: {
      const SysResult<VmFlags> flags = advised_flags(vma, advice);
      if (!flags) return tl::unexpected(flags.error());
      if (*flags == vma.flags) return vma.end;
      const SysResult<Vma*> changed = modify_range(mm, vma, start, end, *flags);
      if (!changed) return sys_error(EAGAIN);  // madvise(2): resources temporarily unavailable
      return (*changed)->end;
    }
    case Action::kDontneed: done = dontneed(mm, vma, start, end, advice); break;
    case Action::kFree:
      if (locked || !vma.anonymous()) return sys_error(EINVAL);
      mark_free(mm, start, end);
      break;
    case Action::kHintOnly:
      if (locked) return sys_error(EINVAL);
      break;
    case Action::kRemove: done = remove(mm, vma, start, end); break;
    case Action::kWillneed:
    case Action::kPopulate:
    case Action::kInvalid: break;
  }
  if (!done) return tl::unexpected(done.error());
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

SysResult<void> do_madvise(AddressSpace& mm, std::uint64_t address, std::uint64_t length, int advice) {
  const Action action = action_of(advice);
  if (action == Action::kInvalid || (address & kPageMask) != 0) return sys_error(EINVAL);
  const std::uint64_t bytes = page_align(length);
  if (length != 0 && bytes == 0) return sys_error(EINVAL);
  const std::uint64_t end = address + bytes;
  if (end < address) return sys_error(EINVAL);
  if (end == address) return {};
  if (action == Action::kPopulate) return populate_for_access(mm, Gva(address), Gva(end), advice == kPopulateWrite);
  return walk_vmas(mm, Gva(address), Gva(end), advice);
}

}  // namespace faultline::mmu

// Follows mm/mlock.c and __mm_populate.
#include <sys/mman.h>

#include <algorithm>

#include "mmu/space/accounting.hpp"
#include "mmu/space/merge.hpp"
#include "mmu/space/operations.hpp"
#include "mmu/space/populate.hpp"

namespace faultline::mmu {

namespace {

constexpr std::uint32_t kLockFlags = VmFlags::kLocked | VmFlags::kLockOnFault;

// Linux mlock_fixup: one VMA's part of the range. Returns the VMA that covers it now.
SysResult<Vma*> fixup(AddressSpace& mm, Vma& vma, Gva start, Gva end, std::uint32_t lock) {
  const VmFlags old = vma.flags;
  const VmFlags flags = old.without(kLockFlags).with(lock);
  // What may vanish cannot be locked, and nobody is told.
  if (flags == old || old.has(VmFlags::kDroppable)) return &vma;
  const SysResult<Vma*> changed = modify_range(mm, vma, start, end, flags);
  if (!changed) return changed;
  const std::uint64_t pages = end.page() - start.page();
  if (!flags.has(VmFlags::kLocked)) {
    mm.locked_vm -= old.has(VmFlags::kLocked) ? pages : 0;
  } else if (!old.has(VmFlags::kLocked)) {
    mm.locked_vm += pages;
  }
  return changed;
}

// Linux apply_vma_lock_flags. A hole is ENOMEM, with the part before it done.
SysResult<void> apply(AddressSpace& mm, std::uint64_t start, std::uint64_t length, std::uint32_t lock) {
  const std::uint64_t end = start + length;
  if (end < start) return sys_error(EINVAL);
  Gva at(start);
  while (at < Gva(end)) {
    Vma* vma = mm.vmas.lookup(at);
    if (vma == nullptr) return sys_error(ENOMEM);
    const Gva stop = std::min(vma->end, Gva(end));
    const SysResult<Vma*> changed = fixup(mm, *vma, at, stop, lock);
    if (!changed) return tl::unexpected(changed.error());
    at = std::max(stop, (*changed)->end);
  }
  return {};
}

// Pages of the range that are locked already (count_mm_mlocked_page_nr).
std::uint64_t locked_pages_in(AddressSpace& mm, Gva start, Gva end) {
  std::uint64_t pages = 0;
  for (const Vma* vma = mm.vmas.first_in(start, end); vma != nullptr && vma->start < end; vma = mm.vmas.next(*vma)) {
    if (vma->flags.has(VmFlags::kLocked)) pages += std::min(vma->end, end).page() - std::max(vma->start, start).page();
  }
  return pages;
}

// The whole pages that [address, address + length) touches. Wraps as Linux's does.
struct Range {
  std::uint64_t start, length;
};
Range whole_pages(std::uint64_t address, std::uint64_t length) {
  return {address & ~kPageMask, page_align(length + (address & kPageMask))};
}

bool within_limit(AddressSpace& mm, Range range) {
  const std::uint64_t limit = mm.limits.memlock >> kPageShift;
  std::uint64_t pages = (range.length >> kPageShift) + mm.locked_vm;
  if (mm.limits.may_lock_without_limit || pages <= limit) return true;
  const auto end = Gva(range.start).checked_add(range.length);
  pages -= locked_pages_in(mm, Gva(range.start), end ? *end : Gva(~0ULL));
  return pages <= limit;
}

// POSIX's errors for what populating met (__mlock_posix_error_return).
Errno posix_error(Errno error) {
  if (error.value() == EFAULT) return Errno(ENOMEM);
  return error.value() == ENOMEM ? Errno(EAGAIN) : error;
}

// Linux apply_mlockall_flags, for those that are mapped already. Failures do not count.
void apply_to_all(AddressSpace& mm, std::uint32_t lock) {
  for (Vma* vma = mm.vmas.find(Gva(0)); vma != nullptr;) {
    const Gva end = vma->end;
    const SysResult<Vma*> changed = fixup(mm, *vma, vma->start, end, lock);
    vma = mm.vmas.find(changed ? std::max(end, (*changed)->end) : end);
  }
}

}  // namespace

SysResult<void> do_mlock(AddressSpace& mm, std::uint64_t address, std::uint64_t length, bool on_fault) {
  if (!can_do_mlock(mm)) return sys_error(EPERM);
  const Range range = whole_pages(address, length);
  if (!within_limit(mm, range)) return sys_error(ENOMEM);
  const std::uint32_t lock = on_fault ? kLockFlags : VmFlags::kLocked;
  if (auto done = apply(mm, range.start, range.length, lock); !done) return done;
  const Gva start(range.start);
  if (const auto ready = mm_populate(mm, start, start + range.length, PopulateErrors::kStop); !ready)
    return tl::unexpected(posix_error(ready.error()));
  return {};
}

SysResult<void> do_munlock(AddressSpace& mm, std::uint64_t address, std::uint64_t length) {
  const Range range = whole_pages(address, length);
  return apply(mm, range.start, range.length, 0);
}

SysResult<void> do_mlockall(AddressSpace& mm, int flags) {
  if (flags == 0 || flags == MCL_ONFAULT || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) != 0)
    return sys_error(EINVAL);
  if (!can_do_mlock(mm)) return sys_error(EPERM);
  const bool current = (flags & MCL_CURRENT) != 0;
  if (current && !mm.limits.may_lock_without_limit && mm.total_vm > mm.limits.memlock >> kPageShift)
    return sys_error(ENOMEM);
  const std::uint32_t lock = (flags & MCL_ONFAULT) != 0 ? kLockFlags : VmFlags::kLocked;
  mm.default_flags = mm.default_flags.without(kLockFlags);
  if ((flags & MCL_FUTURE) != 0) mm.default_flags = mm.default_flags.with(lock);
  if (!current) return {};
  apply_to_all(mm, lock);
  static_cast<void>(mm_populate(mm, Gva(0), mm.task_size(), PopulateErrors::kIgnore));
  return {};
}

SysResult<void> do_munlockall(AddressSpace& mm) {
  mm.default_flags = mm.default_flags.without(kLockFlags);
  apply_to_all(mm, 0);
  return {};
}

}  // namespace faultline::mmu

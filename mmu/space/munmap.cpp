// Follows do_vmi_munmap, do_vmi_align_munmap and free_pgtables (mm/vma.c, mm/memory.c).
#include "mmu/space/munmap.hpp"

#include "mmu/space/accounting.hpp"
#include "mmu/space/merge.hpp"
#include "mmu/space/notify.hpp"
#include "mmu/space/operations.hpp"
#include "mmu/space/zap.hpp"

namespace faultline::mmu {

SysResult<std::uint64_t> cut_out(AddressSpace& mm, Gva start, Gva end) {
  Vma* first = mm.vmas.first_in(start, end);
  if (first == nullptr) return 0;
  if (first->start < start) {
    // Only a hole in the middle makes one VMA more in the end. The cuts themselves may pass the
    // limit for a while.
    if (end < first->end && no_map_to_split(mm)) return sys_error(ENOMEM);
    if (first->flags.has(VmFlags::kSealed)) return sys_error(EPERM);
    first = &mm.vmas.split(*first, start);
  }
  std::uint64_t pages = 0;
  for (Vma* vma = first; vma != nullptr && vma->start < end; vma = mm.vmas.next(*vma)) {
    if (vma->flags.has(VmFlags::kSealed)) return sys_error(EPERM);  // the cuts made so far stay
    if (vma->end > end) mm.vmas.split(*vma, end);
    pages += vma->pages();
  }
  return pages;
}

void unmap_whole_vmas(AddressSpace& mm, Gva start, Gva end) {
  Vma* vma = mm.vmas.first_in(start, end);
  if (vma == nullptr) return;
  const Vma* below = mm.vmas.previous(*vma);
  const Gva floor = below != nullptr ? below->end : Gva(0);
  const Gva first = vma->start;
  Gva last = vma->end;

  const Vma* top = &*vma;
  for (const Vma* at = vma; at != nullptr && at->start < end; at = mm.vmas.next(*at)) top = at;
  const NotifierRange notify(mm, NotifierEvent::kUnmap, first, top->end);
  TlbGather gather(mm.tables());
  while (vma != nullptr && vma->start < end) {
    FL_CHECK(vma->start >= start && vma->end <= end);
    Vma* next = mm.vmas.next(*vma);
    zap_range(mm, *vma, vma->start, vma->end, gather);
    vm_stat_account(mm, vma->flags, -static_cast<std::int64_t>(vma->pages()));
    if (vma->flags.has(VmFlags::kLocked)) mm.locked_vm -= vma->pages();
    last = vma->end;
    mm.vmas.erase(*vma);
    vma = next;
  }
  mm.tables().free_tables(first, last, floor, vma != nullptr ? vma->start : mm.task_size(), gather);
  gather.flush();
}

SysResult<void> do_munmap(AddressSpace& mm, std::uint64_t address, std::uint64_t length) {
  const std::uint64_t task_size = mm.task_size().raw();
  if ((address & kPageMask) != 0 || address > task_size || length > task_size - address) return sys_error(EINVAL);
  const Gva start(address);
  const Gva end = start + page_align(length);
  if (end == start) return sys_error(EINVAL);
  if (const auto cut = cut_out(mm, start, end); !cut) return tl::unexpected(cut.error());
  unmap_whole_vmas(mm, start, end);
  return {};
}

}  // namespace faultline::mmu

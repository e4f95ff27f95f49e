// MADV_COLLAPSE. Follows madvise_collapse and thp_vma_allowable_order (mm/khugepaged.c,
// mm/huge_memory.c) in what they answer. Nothing is collapsed: there are no huge pages yet.
#include "mmu/space/advice.hpp"
#include "mmu/space/slots.hpp"

namespace faultline::mmu {

namespace {

constexpr std::uint64_t kHuge = level_span(2);

Gva huge_floor(Gva at) { return Gva(at.raw() & ~(kHuge - 1)); }
Gva huge_ceiling(Gva at) { return huge_floor(at + (kHuge - 1)); }

bool allowable(const Vma& vma) {
  if (vma.flags.has(VmFlags::kNoHugePage)) return false;
  if (!vma.anonymous() && vma.file->kind() != FileKind::kShmem) return false;
  if (vma.bytes() < kHuge) return false;
  const Gva last = huge_floor(vma.end - kHuge);
  return last >= vma.start;
}

bool any_page(const AddressSpace& mm, Gva start) {
  bool found = false;
  for_each_slot(mm, start, start + kHuge, [&](PteSlot slot, Gva) { found = found || slot.load().present(); });
  return found;
}

}  // namespace

SysResult<void> collapse(AddressSpace& mm, const Vma& vma, Gva start, Gva end) {
  if (!allowable(vma)) return sys_error(EINVAL);
  if (!vma.anonymous()) return {};
  for (Gva at = huge_ceiling(start); at < huge_floor(end); at = at + kHuge)
    if (!any_page(mm, at)) return sys_error(EINVAL);
  return {};
}

}  // namespace faultline::mmu

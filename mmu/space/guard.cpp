// Guard regions. Follows madvise_guard_install and madvise_guard_remove (mm/madvise.c).
#include "mmu/arch/swap_entry.hpp"
#include "mmu/pgtable/editor.hpp"
#include "mmu/space/advice.hpp"
#include "mmu/space/notify.hpp"
#include "mmu/space/slots.hpp"
#include "mmu/space/zap.hpp"

namespace faultline::mmu {

namespace {

// Linux is_valid_guard_vma.
bool may_guard(const AddressSpace& mm, const Vma& vma) {
  return mm.env().behaviour.guard_files || (vma.anonymous() && vma.flags.has(VmFlags::kMayWrite));
}

bool is_guard(Pte entry) { return entry.kind(1) == PteKind::kMarker && SwapEntry(entry).guard(); }

}  // namespace

SysResult<void> guard_install(AddressSpace& mm, Vma& vma, Gva start, Gva end) {
  if (!may_guard(mm, vma) || vma.flags.has(VmFlags::kLocked)) return sys_error(EINVAL);
  // The tables are no longer empty of what a child must have: fork copies them.
  vma.flags = vma.flags.with(VmFlags::kMaybeGuard);
  mm.vmas.touched(vma);
  if (vma.anonymous()) mm.prepare_anon_vma(vma);
  const NotifierRange notify(mm, NotifierEvent::kClear, start, end);
  TlbGather gather(mm.tables());
  PtEditor editor(gather);
  zap_range(mm, vma, start, end, gather, ZapMarkers::kKeep);
  SysResult<void> result;
  for (Gva at = start; at < end && result; at = at + kPageSize) {
    const PteSlot slot = mm.tables().populate(at);
    if (!slot.valid()) {
      result = sys_error(ENOMEM);
      break;
    }
    const Pte entry = slot.load();
    if (is_guard(entry)) continue;
    if (!entry.none()) editor.clear(slot, at);  // another marker
    FL_CHECK(editor.install(slot, at, kGuardEntry));
  }
  gather.flush();
  return result;
}

SysResult<void> guard_remove(AddressSpace& mm, const Vma& vma, Gva start, Gva end) {
  if (!may_guard(mm, vma)) return sys_error(EINVAL);
  TlbGather gather(mm.tables());
  PtEditor editor(gather);
  for_each_slot(mm, start, end, [&](PteSlot slot, Gva va) {
    if (is_guard(slot.load())) editor.clear(slot, va);
  });
  gather.flush();
  return {};
}

}  // namespace faultline::mmu

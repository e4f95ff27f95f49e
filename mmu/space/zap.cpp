// Follows zap_pte_range, unmap_mapping_range and folio_mkclean (mm/memory.c, mm/rmap.c).
#include "mmu/space/zap.hpp"

#include <algorithm>

#include "mmu/pgtable/editor.hpp"
#include "mmu/space/mapcount.hpp"
#include "mmu/space/notify.hpp"
#include "mmu/space/slots.hpp"

namespace faultline::mmu {

namespace {

// Dirty of a shared file page belongs to the file from here on.
void keep_dirty(AddressSpace& mm, Gfn frame, Pte entry) {
  Frame& meta = mm.frames().at(frame);
  if (entry.dirty() && meta.kind == FrameKind::kFile) meta.dirty = true;
}

// The part of `vma` that maps [first, last] of its file; empty when start == end.
struct MappedPart {
  Gva start, end;
};
MappedPart mapped_part(const Vma& vma, Pgoff first, Pgoff last) {
  const std::uint64_t from = std::max(first.raw(), vma.pgoff.raw());
  const std::uint64_t vma_last = vma.pgoff.raw() + vma.pages() - 1;
  const std::uint64_t to = std::min(last.raw(), vma_last);
  if (from > to) return {vma.start, vma.start};
  return {vma.start + ((from - vma.pgoff.raw()) << kPageShift), vma.start + ((to - vma.pgoff.raw() + 1) << kPageShift)};
}

}  // namespace

void zap_entry(AddressSpace& mm, PteSlot slot, Gva va, TlbGather& gather) {
  if (slot.load().none()) return;
  const Pte old = PtEditor(gather).clear(slot, va);
  if (!old.maps_frame(1) || old.special()) return;
  const Gfn frame = old.frame();
  keep_dirty(mm, frame, old);
  count_unmapped(mm, frame);
  gather.retire_frame(frame);
}

void zap_range(AddressSpace& mm, const Vma&, Gva start, Gva end, TlbGather& gather, ZapMarkers markers) {
  for_each_slot(mm, start, end, [&](PteSlot slot, Gva va) {
    if (markers == ZapMarkers::kKeep && slot.load().kind(1) == PteKind::kMarker) return;
    zap_entry(mm, slot, va, gather);
  });
}

void unmap_file_range(FileMapping& file, Pgoff first, Pgoff last, PrivateCopies copies) {
  file.mappings().for_each(first, last, [&](Vma& vma) {
    AddressSpace& mm = *vma.mm;
    TlbGather gather(mm.tables());
    const MappedPart part = mapped_part(vma, first, last);
    const NotifierRange notify(mm, NotifierEvent::kClear, part.start, part.end);
    for_each_slot(mm, part.start, part.end, [&](PteSlot slot, Gva va) {
      const Pte entry = slot.load();
      if (!entry.maps_frame(1)) return;
      const bool private_copy = mm.frames().at(entry.frame()).kind == FrameKind::kAnon;
      if (private_copy && copies == PrivateCopies::kKeep) return;
      zap_entry(mm, slot, va, gather);
    });
    gather.flush();
  });
}

void collect_dirty(FileMapping& file, Pgoff first, Pgoff last) {
  file.mappings().for_each(first, last, [&](Vma& vma) {
    if (!vma.flags.has(VmFlags::kShared)) return;
    AddressSpace& mm = *vma.mm;
    TlbGather gather(mm.tables());
    const MappedPart part = mapped_part(vma, first, last);
    const NotifierRange notify(mm, NotifierEvent::kProtectionPage, part.start, part.end);
    for_each_slot(mm, part.start, part.end, [&](PteSlot slot, Gva va) {
      const Pte entry = slot.load();
      if (!entry.maps_frame(1) || !entry.dirty()) return;
      keep_dirty(mm, entry.frame(), entry);
      const std::uint64_t mask = file.kind() == FileKind::kRegular ? Pte::kDirty | Pte::kWrite : Pte::kDirty;
      PtEditor(gather).clear_flags(slot, va, mask);
    });
    gather.flush();
  });
}

}  // namespace faultline::mmu

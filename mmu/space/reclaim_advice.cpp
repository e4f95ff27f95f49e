// MADV_FREE, MADV_COLD and MADV_PAGEOUT. Follows madvise_free_pte_range and
// madvise_cold_or_pageout_pte_range (mm/madvise.c), folio_mark_lazyfree, and what
// shrink_folio_list and try_to_unmap_one make of one page where there is no swap.
#include "mmu/pgtable/editor.hpp"
#include "mmu/space/advice.hpp"
#include "mmu/space/notify.hpp"
#include "mmu/space/slots.hpp"
#include "mmu/space/zap.hpp"

namespace faultline::mmu {

namespace {

constexpr std::uint64_t kUsed = Pte::kAccessed | Pte::kDirty;

// A present page of memory that this entry alone maps; null for any other.
Frame* sole_page(AddressSpace& mm, Pte entry) {
  if (entry.kind(1) != PteKind::kLeaf || entry.special()) return nullptr;
  Frame& frame = mm.frames().at(entry.frame());
  return frame.mapcount.load(std::memory_order_relaxed) == 1 ? &frame : nullptr;
}

void unmap_page(AddressSpace& mm, PteSlot slot, Gva va, TlbGather& gather) {
  const NotifierRange notify(mm, NotifierEvent::kClear, va, va + kPageSize);
  zap_entry(mm, slot, va, gather);
  gather.flush();
}

// May the page vanish now? Pages of MAP_DROPPABLE even when written; MADV_FREE ones that were
// written since are ordinary again.
bool may_vanish(Frame& frame, Pte entry, const Vma& vma) {
  if (!frame.lazy_free) return false;
  if (!entry.dirty() || vma.flags.has(VmFlags::kDroppable)) return true;
  frame.lazy_free = false;
  return false;
}

void reclaim_page(AddressSpace& mm, const Vma& vma, PteSlot slot, Gva va, TlbGather& gather) {
  const Pte entry = slot.load();
  Frame* frame = sole_page(mm, entry);
  if (frame == nullptr) return;
  if (entry.accessed()) PtEditor(gather).clear_flags(slot, va, Pte::kAccessed);
  if (frame->kind == FrameKind::kAnon) {
    const bool shared_copy = frame->refcount.load(std::memory_order_relaxed) != 1;
    if (!shared_copy && may_vanish(*frame, entry, vma)) unmap_page(mm, slot, va, gather);
    return;
  }
  FileMapping& file = *frame->mapping();
  const Pgoff index(frame->index);
  unmap_page(mm, slot, va, gather);
  // Shared memory has no place but the cache; a dirty page waits for write-back.
  if (file.kind() == FileKind::kRegular) static_cast<void>(file.evict(index));
}

}  // namespace

void mark_lazy_free(AddressSpace& mm, Gva start, Gva end) {
  const NotifierRange notify(mm, NotifierEvent::kClear, start, end);
  TlbGather gather(mm.tables());
  PtEditor editor(gather);
  for_each_slot(mm, start, end, [&](PteSlot slot, Gva va) {
    const Pte entry = slot.load();
    if (entry.kind(1) != PteKind::kLeaf || entry.special()) return;
    if ((entry.raw() & kUsed) != 0) editor.clear_flags(slot, va, kUsed);
    Frame& frame = mm.frames().at(entry.frame());
    if (frame.kind == FrameKind::kAnon) frame.lazy_free = true;
  });
  gather.flush();
}

void make_cold(AddressSpace& mm, Gva start, Gva end) {
  TlbGather gather(mm.tables());
  PtEditor editor(gather);
  for_each_slot(mm, start, end, [&](PteSlot slot, Gva va) {
    const Pte entry = slot.load();
    if (sole_page(mm, entry) != nullptr && entry.accessed()) editor.clear_flags(slot, va, Pte::kAccessed);
  });
  gather.flush();
}

void page_out(AddressSpace& mm, const Vma& vma, Gva start, Gva end) {
  TlbGather gather(mm.tables());
  for_each_slot(mm, start, end, [&](PteSlot slot, Gva va) { reclaim_page(mm, vma, slot, va, gather); });
  gather.flush();
}

}  // namespace faultline::mmu

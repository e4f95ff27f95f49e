// Follows copy_page_range, copy_pte_range and copy_present_ptes (mm/memory.c) of Linux 6.18.
#include "mmu/space/fork_pages.hpp"

#include <algorithm>

#include "mmu/arch/swap_entry.hpp"
#include "mmu/pgtable/editor.hpp"
#include "mmu/space/mapcount.hpp"
#include "mmu/space/notify.hpp"

namespace faultline::mmu {

namespace {

struct Copy {
  AddressSpace& child;
  AddressSpace& parent;
  const Vma& vma;
  TlbGather& gather;        // of the parent
  TlbGather& child_gather;  // empty: nothing of the child's is known to any CPU
};

// Linux copy_present_ptes: one page more often mapped.
void copy_present(const Copy& c, PteSlot from, PteSlot to, Gva va, Pte entry) {
  const bool cow = c.vma.flags.cow();
  if (!entry.special()) {
    const Gfn frame = entry.frame();
    Frame& meta = c.parent.frames().at(frame);
    if (meta.kind == FrameKind::kAnon) meta.anon_exclusive = false;
    c.parent.frames().get(frame);
    count_mapped(c.child, frame);
  }
  if (cow && entry.writable()) {
    PtEditor(c.gather).write_protect(from, va, entry);
    entry = entry.without(Pte::kWrite);
  }
  // The parent's Dirty is enough for both. The child has not looked at the page yet, and nobody
  // watches its writes.
  if (c.vma.flags.has(VmFlags::kShared)) entry = entry.without(Pte::kDirty);
  FL_CHECK(PtEditor(c.child_gather).install(to, va, entry.without(Pte::kAccessed | Pte::kUffdWp)));
}

// Linux copy_nonpresent_pte: guards and poison are inherited, what userfaultfd marked is not; a
// page that is being moved comes back without W on either side.
void copy_nonpresent(const Copy& c, PteSlot from, PteSlot to, Gva va, Pte entry) {
  PtEditor editor(c.gather), child(c.child_gather);
  const SwapEntry swap(entry);
  if (swap.marker()) {
    const std::uint64_t kept = swap.offset() & (SwapEntry::kMarkerPoisoned | SwapEntry::kMarkerGuard);
    if (kept != 0) FL_CHECK(child.install(to, va, SwapEntry(SwapEntry::kMarker, kept).pte()));
    return;
  }
  if (swap.migration() && c.vma.flags.cow() && swap.type() != SwapEntry::kMigrationRead) {
    entry = SwapEntry(SwapEntry::kMigrationRead, swap.offset()).pte();
    editor.clear(from, va);
    FL_CHECK(editor.install(from, va, entry));
  }
  FL_CHECK(child.install(to, va, entry));
}

// Linux copy_pte_range: the part [start, end) of one page table.
void copy_table(const Copy& c, Gfn from, Gfn to, Gva start, Gva end) {
  const PhysMemory& memory = c.parent.frames().memory();
  const PagingMode mode = c.parent.mode();
  for (Gva va = start; va < end; va = va + kPageSize) {
    const PteSlot source = PteSlot::of(memory, from, va, 1, mode);
    const Pte entry = source.load();
    switch (entry.kind(1)) {
      case PteKind::kNone: break;
      case PteKind::kLeaf:
      case PteKind::kProtNone: copy_present(c, source, PteSlot::of(memory, to, va, 1, mode), va, entry); break;
      case PteKind::kSwap:
      case PteKind::kMigration:
      case PteKind::kMarker: copy_nonpresent(c, source, PteSlot::of(memory, to, va, 1, mode), va, entry); break;
      case PteKind::kTable: break;
    }
  }
}

// The tables below `from`, a table of `level`: the child gets each that the parent has, empty
// ones too, as Linux's walk does.
SysResult<void> copy_level(const Copy& c, Gfn from, Level level, Gva start, Gva end) {
  const PagingMode mode = c.parent.mode();
  for (Gva at = start; at < end;) {
    const Gva stop(std::min((at.raw() | (level_span(level, mode) - 1)) + 1, end.raw()));
    const Pte entry = PteSlot::of(c.parent.frames().memory(), from, at, level, mode).load();
    if (entry.kind(level) == PteKind::kTable) {
      const PteSlot below = c.child.tables().populate_to(level - 1, at);
      if (!below.valid()) return sys_error(ENOMEM);
      const Gfn table = entry.frame(level);
      if (level == 2) {
        copy_table(c, table, below.address().page(), at, stop);
      } else if (auto copied = copy_level(c, table, level - 1, at, stop); !copied) {
        return copied;
      }
    }
    at = stop;
  }
  return {};
}

}  // namespace

SysResult<void> copy_page_range(AddressSpace& child, AddressSpace& parent, const Vma& vma, TlbGather& gather) {
  TlbGather child_gather(child.tables());
  const Copy copy{.child = child, .parent = parent, .vma = vma, .gather = gather, .child_gather = child_gather};
  const Gva told_until = vma.flags.cow() ? vma.end : vma.start;  // nothing changes in shared ones
  const NotifierRange notify(parent, NotifierEvent::kProtectionPage, vma.start, told_until);
  return copy_level(copy, parent.tables().root(), levels(parent.mode()), vma.start, vma.end);
}

}  // namespace faultline::mmu

// Follows smaps_pte_entry, smaps_account and clear_refs_write of fs/proc/task_mmu.c.
#include "mmu/space/page_stats.hpp"

#include <algorithm>

#include "mmu/arch/swap_entry.hpp"
#include "mmu/pgtable/editor.hpp"
#include "mmu/space/slots.hpp"

namespace faultline::mmu {

namespace {

void view_frame(const AddressSpace& mm, Gfn at, PageView& page) {
  page.frame = at;
  if (!mm.frames().memory().contains(page.frame)) return;
  const Frame& frame = mm.frames().at(page.frame);
  page.zero_page = frame.kind == FrameKind::kZero;
  page.file = frame.mapping() != nullptr;
  page.shmem = page.file && frame.mapping()->kind() == FileKind::kShmem;
  page.counted = !page.zero_page;
  page.dirty |= frame.dirty;
  page.lazy_free = frame.kind == FrameKind::kAnon && frame.lazy_free;
  page.mapcount = static_cast<std::uint32_t>(std::max(frame.mapcount.load(std::memory_order_relaxed), 0));
}

// Shared memory is dirty from the first write on, by write(2) too. Those go to the file behind
// the cached page, where only the bytes tell: a page that was never written is zero.
bool ever_written(const AddressSpace& mm, const PageView& page) {
  const auto bytes = mm.frames().memory().page(page.frame);
  return std::ranges::any_of(bytes, [](std::byte b) { return b != std::byte{0}; });
}

// Linux smaps_page_accumulate.
void account(PageStats& stats, const PageView& page, bool locked) {
  stats.resident += kPageSize;
  if (page.accessed) stats.referenced += kPageSize;
  if (!page.file) stats.anonymous += kPageSize;
  if (page.lazy_free && !page.dirty) stats.lazy_free += kPageSize;

  const bool shared = page.mapcount >= 2;
  std::uint64_t pss = kPageSize << PageStats::kPssShift;
  if (shared) pss /= page.mapcount;
  stats.pss += pss;
  (page.shmem ? stats.pss_shmem : page.file ? stats.pss_file : stats.pss_anon) += pss;
  if (locked) stats.pss_locked += pss;
  if (page.dirty) {
    stats.pss_dirty += pss;
    (shared ? stats.shared_dirty : stats.private_dirty) += kPageSize;
  } else {
    (shared ? stats.shared_clean : stats.private_clean) += kPageSize;
  }
}

}  // namespace

PageView view_page(const AddressSpace& mm, Pte entry) {
  PageView page;
  if (entry.none()) return page;
  page.present = entry.maps_frame(1);
  page.swapped = !page.present;
  if (page.present) {
    page.accessed = entry.accessed();
    page.dirty = entry.dirty();
    page.write_watched = entry.has(Pte::kUffdWp);
    view_frame(mm, entry.frame(), page);
    return page;
  }
  const SwapEntry swap(entry);
  page.write_watched = entry.has(SwapEntry::kUffdWp);
  page.guard = swap.guard();
  page.swap = swap.pagemap();
  page.on_swap = !swap.marker() && !swap.migration();
  if (swap.migration()) view_frame(mm, Gfn(swap.offset()), page);
  return page;
}

PageStats& PageStats::operator+=(const PageStats& other) {
  resident += other.resident, referenced += other.referenced;
  anonymous += other.anonymous, lazy_free += other.lazy_free;
  shared_clean += other.shared_clean, shared_dirty += other.shared_dirty;
  private_clean += other.private_clean, private_dirty += other.private_dirty;
  swap += other.swap, swap_pss += other.swap_pss;
  pss += other.pss, pss_dirty += other.pss_dirty, pss_locked += other.pss_locked;
  pss_anon += other.pss_anon, pss_file += other.pss_file, pss_shmem += other.pss_shmem;
  return *this;
}

PageStats gather_page_stats(const AddressSpace& mm, const Vma& vma) {
  PageStats stats;
  const bool locked = vma.flags.has(VmFlags::kLocked);
  for_each_slot(mm, vma.start, vma.end, [&](PteSlot slot, Gva) {
    PageView page = view_page(mm, slot.load());
    if (page.shmem && !page.dirty) page.dirty = ever_written(mm, page);
    if (page.counted) account(stats, page, locked);
    if (page.on_swap) {
      stats.swap += kPageSize;
      stats.swap_pss += kPageSize << PageStats::kPssShift;
    }
  });
  return stats;
}

void clear_references(AddressSpace& mm, ClearRefs which) {
  TlbGather gather(mm.tables());
  PtEditor editor(gather);
  for (const auto& [at, vma] : mm.vmas) {
    if (which == ClearRefs::kAnonymous && !vma.anonymous()) continue;
    if (which == ClearRefs::kMapped && vma.anonymous()) continue;
    for_each_slot(mm, vma.start, vma.end, [&](PteSlot slot, Gva va) {
      const Pte entry = slot.load();
      if (entry.present() && entry.accessed()) editor.clear_flags(slot, va, Pte::kAccessed);
    });
  }
  gather.flush();
}

}  // namespace faultline::mmu

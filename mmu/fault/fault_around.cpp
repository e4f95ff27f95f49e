// Follows do_fault_around and filemap_map_pages. The window is cut by the page table, the VMA
// and the file; pages are mapped young, because shadow KVM prefetches only such entries.
#include <algorithm>

#include "mmu/fault/context.hpp"

namespace faultline::mmu {

namespace {

// Linux filemap_map_pages (6.18) links a new table only with a page that does not reach the end of
// its file, shmem aside. So behind the end nothing is mapped around where the table is new and the
// first page that it finds is the last one. (Before the end, the fault itself brings the table.)
bool cannot_link_table(const FaultContext& f, Pgoff first, std::uint64_t count) {
  const FileMapping& file = *f.vma.file;
  const std::uint64_t pages = file.size_in_pages();
  if (!f.new_table || file.kind() != FileKind::kRegular || f.vma.page_index(f.address).raw() < pages) return false;
  for (std::uint64_t i = 0; i < count; ++i)
    if (file.find(first + i)) return first.raw() + i + 1 == pages;
  return false;
}

}  // namespace

bool do_fault_around(FaultContext& f) {
  constexpr std::uint64_t kWindow = AddressSpace::kFaultAroundPages;
  const std::uint64_t vpn = f.address.page().raw();
  const std::uint64_t first = std::max(vpn & ~(kWindow - 1), f.vma.start.page().raw());
  const PagingMode mode = f.mm.mode();
  const std::uint64_t table_end = (vpn | (entries_per_table(1, mode) - 1)) + 1;
  // Linux counts the window from its clipped start.
  const std::uint64_t end = std::min({first + kWindow, table_end, f.vma.end.page().raw()});

  FileMapping& file = *f.vma.file;
  const Pgoff first_index = f.vma.page_index(Gva(Vpn(first)));
  file.fetch_cached(first_index, end - first);
  if (cannot_link_table(f, first_index, end - first)) return false;

  bool mapped = false;
  unsigned around = 0;
  for (std::uint64_t at = first; at < end; ++at) {
    const std::optional<Gfn> frame = file.find(first_index + (at - first));
    if (!frame || file.marked(first_index + (at - first))) continue;
    const Gva va{Vpn(at)};
    const PteSlot slot = PteSlot::of(f.mm.frames().memory(), f.slot.address().page(), va, 1, mode);
    if (!f.editor().install(slot, va, Pte::make(*frame, f.vma.page_prot()))) continue;
    f.mm.frames().get(*frame);
    count_mapped(f.mm, *frame);
    mapped = mapped || va == f.address;
    ++around;
  }
  file.mapped_around(around);
  if (around != 0) f.path.add(FaultStep::kFaultAround);
  return mapped;
}

}  // namespace faultline::mmu

#include "vmm/gdb/guest_memory.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace faultline::vmm::gdb {
namespace {

using mmu::Pte;
using mmu::PteKind;
using Page = std::array<std::byte, kPageSize>;

// The page of `file` as a fault would find it. False: beyond the end, or an I/O error.
bool file_page(const mmu::FileMapping& file, const mmu::PhysMemory& memory, Pgoff index, Page& page) {
  if (const auto cached = file.find(index)) {
    std::ranges::copy(memory.page(*cached), page.begin());
    return true;
  }
  if (index.raw() >= file.size_in_pages()) return false;
  const std::span<std::byte, kPageSize> whole(page);
  return file.file().read_pages(index, {&whole, 1}, mmu::ReadWait::kMayBlock).has_value();
}

// What is behind `address`, faulted in or not. False: nothing.
bool page_at(const mmu::AddressSpace& mm, Gva address, Page& page) {
  const mmu::PhysMemory& memory = mm.frames().memory();
  const mmu::Walk walk = mm.tables().walk(address);
  if (walk.mapped()) {
    if (!memory.contains(walk.physical().page())) return false;
    std::ranges::copy(memory.page(walk.physical().page()), page.begin());
    return true;
  }
  if (walk.end != mmu::WalkEnd::kNotPresent) return false;
  switch (walk.last().entry.kind(walk.last().level)) {
    case PteKind::kNone: break;
    case PteKind::kProtNone: {
      const Gfn frame = walk.last().entry.frame(walk.last().level);
      if (walk.last().level != 1 || !memory.contains(frame)) return false;
      std::ranges::copy(memory.page(frame), page.begin());
      return true;
    }
    case PteKind::kTable:
    case PteKind::kLeaf:
    case PteKind::kSwap:
    case PteKind::kMigration:
    case PteKind::kMarker: return false;
  }
  const mmu::Vma* vma = mm.vmas.lookup(address);
  if (vma == nullptr) return false;
  if (!vma->anonymous()) return file_page(*vma->file, memory, vma->page_index(address), page);
  page.fill(std::byte{0});
  return true;
}

}  // namespace

std::uint64_t peek_memory(const mmu::AddressSpace& mm, std::span<std::byte> to, Gva from) {
  std::uint64_t done = 0;
  Page page;
  while (done < to.size()) {
    const auto at = from.checked_add(done);
    if (!at || *at >= mm.task_size() || !page_at(mm, *at, page)) break;
    const std::uint64_t offset = at->page_offset();
    const std::uint64_t bytes = std::min<std::uint64_t>(kPageSize - offset, to.size() - done);
    std::memcpy(&to[done], &page[offset], bytes);
    done += bytes;
  }
  return done;
}

std::span<std::byte> mapped_bytes(const mmu::AddressSpace& mm, Gva address) {
  if (address >= mm.task_size()) return {};
  const mmu::Walk walk = mm.tables().walk(address);
  if (!walk.mapped() || !walk.last().rights.user) return {};
  const Gfn frame = walk.physical().page();
  if (frame == mm.env().zero_frame || !mm.frames().memory().contains(frame)) return {};
  return mm.frames().memory().page(frame).subspan(address.page_offset());
}

}  // namespace faultline::vmm::gdb

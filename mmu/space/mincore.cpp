// Follows mm/mincore.c. A process may ask about every file that it maps (can_do_mincore).
#include <array>

#include "mmu/space/operations.hpp"

namespace faultline::mmu {

namespace {

// In the guest's page cache, or in the host's: a page of the file that costs no I/O.
bool file_page_cached(FileMapping& file, Pgoff page) {
  if (file.find(page)) return true;
  if (page.raw() >= file.size_in_pages()) return false;
  alignas(kPageSize) std::array<std::byte, kPageSize> scratch;
  const std::span<std::byte, kPageSize> buffer(scratch);
  const auto read = file.file().read_pages(page, std::span(&buffer, 1), ReadWait::kCachedOnly);
  return read && read->bytes != 0;
}

bool resident(const AddressSpace& mm, const Vma& vma, Gva va) {
  const PteSlot slot = mm.tables().find(va);
  const Pte entry = slot.valid() ? slot.load() : Pte();
  if (entry.maps_frame(1)) return true;
  return !vma.anonymous() && file_page_cached(*vma.file, vma.page_index(va));
}

}  // namespace

SysResult<void> do_mincore(AddressSpace& mm, std::uint64_t address, std::uint64_t length, std::span<std::byte> vector) {
  if ((address & kPageMask) != 0) return sys_error(EINVAL);
  const std::uint64_t task_size = mm.task_size().raw();
  if (length > task_size || address > task_size - length) return sys_error(ENOMEM);
  const std::uint64_t pages = page_align(length) >> kPageShift;
  if (vector.size() < pages) return sys_error(EFAULT);
  const Vma* vma = nullptr;
  for (std::uint64_t i = 0; i < pages; ++i) {
    const Gva va = Gva(address) + (i << kPageShift);
    if (vma == nullptr || !vma->contains(va)) vma = mm.vmas.lookup(va);
    if (vma == nullptr) return sys_error(ENOMEM);
    vector[i] = resident(mm, *vma, va) ? std::byte{1} : std::byte{0};
  }
  return {};
}

}  // namespace faultline::mmu

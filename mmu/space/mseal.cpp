// Follows do_mseal (mm/mseal.c).
#include <algorithm>

#include "mmu/space/merge.hpp"
#include "mmu/space/operations.hpp"

namespace faultline::mmu {

namespace {

// Linux range_contains_unmapped: nothing is sealed when there is a hole.
bool contains_hole(AddressSpace& mm, Gva start, Gva end) {
  Gva at = start;
  while (at < end) {
    const Vma* vma = mm.vmas.lookup(at);
    if (vma == nullptr) return true;
    at = vma->end;
  }
  return false;
}

}  // namespace

SysResult<void> do_mseal(AddressSpace& mm, std::uint64_t address, std::uint64_t length, std::uint64_t flags) {
  if (flags != 0 || (address & kPageMask) != 0) return sys_error(EINVAL);
  const std::uint64_t bytes = page_align(length);
  if (length != 0 && bytes == 0) return sys_error(EINVAL);
  const std::uint64_t stop = address + bytes;
  if (stop < address) return sys_error(EINVAL);
  if (stop == address) return {};
  const Gva end(stop);
  if (contains_hole(mm, Gva(address), end)) return sys_error(ENOMEM);
  for (Gva at(address); at < end;) {
    Vma* vma = mm.vmas.lookup(at);
    if (!vma->flags.has(VmFlags::kSealed)) {
      const auto sealed = modify_range(mm, *vma, at, std::min(vma->end, end), vma->flags.with(VmFlags::kSealed));
      if (!sealed) return tl::unexpected(sealed.error());
      vma = *sealed;
    }
    at = vma->end;
  }
  return {};
}

}  // namespace faultline::mmu

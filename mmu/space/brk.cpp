// Follows brk, check_brk_limits and do_brk_flags (mm/mmap.c, mm/vma.c).
#include <sys/mman.h>

#include "mmu/space/accounting.hpp"
#include "mmu/space/merge.hpp"
#include "mmu/space/munmap.hpp"
#include "mmu/space/operations.hpp"
#include "mmu/space/placement.hpp"
#include "mmu/space/populate.hpp"

namespace faultline::mmu {

namespace {

constexpr std::uint32_t kHeapFlags =
    VmFlags::kRead | VmFlags::kWrite | VmFlags::kMayRead | VmFlags::kMayWrite | VmFlags::kMayExec | VmFlags::kAccount;

// Shrinks to `to`; false when what ends at `from` is not there any more.
bool shrink(AddressSpace& mm, Gva to, Gva from) {
  const Vma* heap = mm.vmas.first_in(to, from);
  if (heap == nullptr) return false;
  if (!cut_out(mm, to, from)) return false;
  unmap_whole_vmas(mm, to, from);
  return true;
}

// May the heap grow from `from` to `to`? The address, locks, and the gap to what lies above.
bool room_to_grow(AddressSpace& mm, Gva from, Gva to) {
  const std::uint64_t bytes = to - from;
  if (!get_unmapped_area(mm, {.hint = from.raw(), .length = bytes, .flags = MAP_FIXED})) return false;
  if (!mlock_future_ok(mm, mm.default_flags, bytes)) return false;
  const Vma* above = mm.vmas.find(from);
  return above == nullptr || to + kPageSize <= start_with_gap(mm, *above);
}

bool grow(AddressSpace& mm, Gva from, Gva to) {
  if (!room_to_grow(mm, from, to)) return false;
  const VmFlags flags = mm.default_flags.with(kHeapFlags);
  const std::uint64_t pages = to.page() - from.page();
  if (!may_expand_vm(mm, flags, pages) || too_many_maps(mm) || !enough_memory(mm, pages)) return false;
  const Pgoff pgoff(from.page().raw());
  const NewRange range{.start = from, .end = to, .flags = flags, .pgoff = pgoff, .name = "[heap]"};
  // The first piece does not join the .bss right below, later ones join the heap (vma_prev_limit).
  const bool first = from <= mm.start_brk;
  if (first || merge_new_range(mm.vmas, range, MergeSides::kLeftOnly) == nullptr)
    mm.vmas.insert(Vma{.start = from, .end = to, .flags = flags, .pgoff = pgoff, .file = nullptr, .name = "[heap]"});
  vm_stat_account(mm, flags, static_cast<std::int64_t>(pages));
  if (flags.has(VmFlags::kLocked)) mm.locked_vm += pages;
  return true;
}

}  // namespace

Gva do_brk(AddressSpace& mm, std::uint64_t address) {
  if (address < mm.start_brk.raw()) return mm.brk;
  // Linux check_data_rlimit; the data segment itself is not known here.
  if (address - mm.start_brk.raw() > mm.limits.data) return mm.brk;
  const std::uint64_t aligned = page_align(address);
  if (aligned < address) return mm.brk;
  const Gva to(aligned);
  const Gva from(page_align(mm.brk.raw()));
  if (to < from) {
    if (!shrink(mm, to, from)) return mm.brk;
  } else if (to > from) {
    if (!grow(mm, from, to)) return mm.brk;
  }
  mm.brk = Gva(address);
  if (to > from && mm.default_flags.has(VmFlags::kLocked))
    static_cast<void>(mm_populate(mm, from, to, PopulateErrors::kIgnore));
  return mm.brk;
}

}  // namespace faultline::mmu

// Follows do_mremap of Linux 6.18 (mm/mremap.c): shrink and grow in place, move, and since 6.17
// the move of a range that spans several VMAs. Functions are named after Linux's.
#include <sys/mman.h>

#include "mmu/space/accounting.hpp"
#include "mmu/space/merge.hpp"
#include "mmu/space/move_tables.hpp"
#include "mmu/space/munmap.hpp"
#include "mmu/space/operations.hpp"
#include "mmu/space/placement.hpp"
#include "mmu/space/populate.hpp"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

namespace faultline::mmu {

namespace {

// One call, or one VMA's part of it (Linux struct vma_remap_struct). Lengths are page aligned.
struct Remap {
  AddressSpace& mm;
  std::uint64_t address, old_length, new_length;
  int flags;
  std::uint64_t new_address;

  [[nodiscard]] bool fixed() const { return (flags & MREMAP_FIXED) != 0; }
  [[nodiscard]] bool keeps_source() const { return (flags & MREMAP_DONTUNMAP) != 0; }
  [[nodiscard]] bool implies_new_address() const { return fixed() || keeps_source(); }
  [[nodiscard]] std::uint64_t growth() const { return new_length > old_length ? new_length - old_length : 0; }
  // Linux goes on only with what stays four maps below the limit, for the worst splits.
  [[nodiscard]] bool near_map_limit(std::uint64_t more) const {
    return mm.vmas.size() + more + 3 >= mm.limits.max_map_count || metadata_exhausted(mm);
  }
};

// Linux check_mremap_params.
SysResult<void> check_parameters(const Remap& r) {
  const std::uint64_t task_size = r.mm.task_size().raw();
  const int known = MREMAP_FIXED | MREMAP_MAYMOVE | (r.mm.env().behaviour.dontunmap ? MREMAP_DONTUNMAP : 0);
  if ((r.flags & ~known) != 0) return sys_error(EINVAL);
  if ((r.address & kPageMask) != 0) return sys_error(EINVAL);
  if (r.new_length == 0 || r.new_length > task_size) return sys_error(EINVAL);
  if (!r.implies_new_address()) return {};
  if (r.new_address > task_size - r.new_length || (r.new_address & kPageMask) != 0) return sys_error(EINVAL);
  if ((r.flags & MREMAP_MAYMOVE) == 0) return sys_error(EINVAL);
  if (r.keeps_source() && r.old_length != r.new_length) return sys_error(EINVAL);
  const bool overlaps = r.address + r.old_length > r.new_address && r.new_address + r.new_length > r.address;
  if (overlaps) return sys_error(EINVAL);
  if (r.near_map_limit(2)) return sys_error(ENOMEM);
  return {};
}

// Linux check_prep_vma: may this part of `vma` be resized or moved so?
SysResult<void> check_vma(const Remap& r, const Vma* vma) {
  if (vma == nullptr) return sys_error(EFAULT);
  if (vma->flags.has(VmFlags::kSealed)) return sys_error(EPERM);
  const bool private_anonymous = vma->anonymous() && !vma->flags.has(VmFlags::kShared);
  if (r.keeps_source() && !private_anonymous && !r.mm.env().behaviour.dontunmap_files) return sys_error(EINVAL);
  const bool maps_new = r.new_length > r.old_length || r.implies_new_address();
  if (!maps_new) return {};
  // Length 0 duplicates a shared mapping. Of a private one it would make an unrelated mapping.
  if (r.old_length == 0 && !vma->flags.any(VmFlags::kShared | VmFlags::kMayShare)) return sys_error(EINVAL);
  const std::uint64_t source = std::min(r.old_length, r.new_length);  // a shrink may cross VMAs
  if (source > vma->end - Gva(r.address)) return sys_error(EFAULT);
  if (r.growth() == 0) return {};
  const std::uint64_t pgoff = vma->page_index(Gva(r.address)).raw();
  if (pgoff + (r.new_length >> kPageShift) < pgoff) return sys_error(EINVAL);
  if (!mlock_future_ok(r.mm, vma->flags, r.growth())) return sys_error(EAGAIN);
  if (!may_expand_vm(r.mm, vma->flags, r.growth() >> kPageShift)) return sys_error(ENOMEM);
  return {};
}

// Linux copy_vma: a VMA at the new place like this part of `vma`, joined with its neighbours.
// `vma` may be one of them: then it is gone, and the range lies in the VMA returned.
Vma& copy_vma(const Remap& r, Vma& vma, Gva target) {
  // Without pages the offset is free to follow the address, and the area to merge there.
  const bool untouched = vma.anonymous() && vma.anon_vma == nullptr;
  Vma copy = vma;
  copy.pgoff = untouched ? Pgoff(target.page().raw()) : vma.page_index(Gva(r.address));
  copy.start = target;
  copy.end = target + r.new_length;
  const NewRange range{.start = copy.start,
                       .end = copy.end,
                       .flags = copy.flags,
                       .pgoff = copy.pgoff,
                       .file = copy.file.get(),
                       .anon_vma = copy.anon_vma,
                       .name = copy.name,
                       .copied_from = &vma};
  if (Vma* merged = merge_new_range(r.mm.vmas, range)) return *merged;
  Vma& inserted = r.mm.vmas.insert(std::move(copy));
  if (inserted.anon_vma != nullptr) anon_vma_clone(inserted, vma);
  return inserted;
}

// Linux dontunmap_complete: the source stays, empty and unlocked.
void leave_source_empty(const Remap& r, Vma& source, const Vma& copy) {
  source.flags = source.flags.without(VmFlags::kLocked | VmFlags::kLockOnFault);
  r.mm.vmas.touched(source);
  const bool whole = source.start == Gva(r.address) && source.bytes() == r.old_length;
  if (&source != &copy && whole) unlink_anon_vmas(source);
}

// Drops [at, at + length), which move_vma left behind (Linux unmap_source_vma). When there are
// too many VMAs to cut a hole, it stays, empty.
void unmap_left_over(AddressSpace& mm, Gva at, std::uint64_t length) {
  if (length == 0) return;
  if (cut_out(mm, at, at + length)) unmap_whole_vmas(mm, at, at + length);
}

// Linux move_vma.
SysResult<Gva> move_vma(const Remap& r, Vma& vma, Gva target) {
  AddressSpace& mm = r.mm;
  if (r.near_map_limit(0)) return sys_error(ENOMEM);
  const VmFlags flags = vma.flags;
  const std::uint64_t charged = r.keeps_source() ? r.new_length : r.growth();
  if (flags.has(VmFlags::kAccount) && !enough_memory(mm, charged >> kPageShift)) return sys_error(ENOMEM);

  const Gva source(r.address);
  const Vma& copy = copy_vma(r, vma, target);
  const bool done = move_page_tables(mm, source, target, r.old_length);
  vm_stat_account(mm, flags, static_cast<std::int64_t>(r.new_length >> kPageShift));
  if (flags.has(VmFlags::kLocked)) mm.locked_vm += r.new_length >> kPageShift;
  if (!done) {
    unmap_left_over(mm, target, r.new_length);
    return sys_error(ENOMEM);
  }
  if (r.keeps_source()) {
    if (Vma* left = mm.vmas.lookup(source)) leave_source_empty(r, *left, copy);
  } else {
    unmap_left_over(mm, source, r.old_length);
  }
  return target;
}

// Linux vrm_set_new_addr: where a move goes.
SysResult<Gva> choose_target(const Remap& r, const Vma& vma) {
  const int flags = (r.fixed() ? MAP_FIXED : 0) | (vma.flags.has(VmFlags::kMayShare) ? MAP_SHARED : 0);
  return get_unmapped_area(r.mm, {.hint = r.implies_new_address() ? r.new_address : 0,
                                  .length = r.new_length,
                                  .pgoff = vma.page_index(Gva(r.address)),
                                  .file = vma.file.get(),
                                  .flags = flags});
}

// Linux mremap_to: a move to an address given, exact or as a hint. Precondition: check_vma().
SysResult<Gva> mremap_to(Remap r) {
  AddressSpace& mm = r.mm;
  if (r.fixed()) {
    if (auto ok = do_munmap(mm, r.new_address, r.new_length); !ok) return tl::unexpected(ok.error());
    // An old length that wraps around overlaps nothing: the source may be gone.
    if (mm.vmas.lookup(Gva(r.address)) == nullptr) return sys_error(EFAULT);
  }
  if (r.old_length > r.new_length) {
    if (auto ok = do_munmap(mm, r.address + r.new_length, r.old_length - r.new_length); !ok)
      return tl::unexpected(ok.error());
    r.old_length = r.new_length;
  }
  Vma* vma = mm.vmas.lookup(Gva(r.address));
  if (vma == nullptr) return sys_error(EFAULT);
  if (r.keeps_source() && !may_expand_vm(mm, vma->flags, r.old_length >> kPageShift)) return sys_error(ENOMEM);
  const SysResult<Gva> target = choose_target(r, *vma);
  if (!target) return target;
  return move_vma(r, *vma, *target);
}

// Linux vma_expandable, for a part that ends where its VMA ends.
bool expandable(const Remap& r, const Vma& vma) {
  if (vma.end - Gva(r.address) != r.old_length) return false;
  const auto end = vma.end.checked_add(r.growth());
  if (!end || r.mm.vmas.first_in(vma.end, *end) != nullptr) return false;
  return get_unmapped_area(r.mm, {.hint = vma.start.raw(), .length = *end - vma.start, .flags = MAP_FIXED}).has_value();
}

// Linux expand_vma_in_place. The new end may meet a VMA above and become one with it.
SysResult<Gva> expand_in_place(const Remap& r, Vma& vma) {
  const std::uint64_t pages = r.growth() >> kPageShift;
  if (vma.flags.has(VmFlags::kAccount) && !enough_memory(r.mm, pages)) return sys_error(ENOMEM);
  const VmFlags flags = vma.flags;
  const std::string name = vma.name;
  const std::shared_ptr<FileMapping> file = vma.file;
  const NewRange range{.start = vma.end,
                       .end = vma.end + r.growth(),
                       .flags = flags,
                       .pgoff = vma.pgoff + vma.pages(),
                       .file = file.get(),
                       .anon_vma = vma.anon_vma,
                       .name = name};
  FL_CHECK(merge_new_range(r.mm.vmas, range) != nullptr);
  vm_stat_account(r.mm, flags, static_cast<std::int64_t>(pages));
  if (flags.has(VmFlags::kLocked)) r.mm.locked_vm += pages;
  return Gva(r.address);
}

// Linux mremap_at: resizes where it is, or moves because there is no room to grow.
SysResult<Gva> mremap_at(const Remap& r) {
  Vma* vma = r.mm.vmas.lookup(Gva(r.address));
  if (auto ok = check_vma(r, vma); !ok) return tl::unexpected(ok.error());
  if (r.new_length == r.old_length) return Gva(r.address);
  if (r.new_length < r.old_length) {
    if (auto ok = do_munmap(r.mm, r.address + r.new_length, r.old_length - r.new_length); !ok)
      return tl::unexpected(ok.error());
    return Gva(r.address);
  }
  if (expandable(r, *vma)) return expand_in_place(r, *vma);
  if ((r.flags & MREMAP_MAYMOVE) == 0) return sys_error(ENOMEM);
  const SysResult<Gva> target = choose_target(r, *vma);
  if (!target) return target;
  return move_vma(r, *vma, *target);
}

// Linux remap_move: moves every VMA of the range, keeping the gaps between them.
SysResult<Gva> move_range(const Remap& whole) {
  AddressSpace& mm = whole.mm;
  const std::uint64_t end = whole.address + whole.old_length;
  const Vma* vma = end < whole.address ? nullptr : mm.vmas.first_in(Gva(whole.address), Gva(end));
  if (vma == nullptr || vma->start.raw() > whole.address) return sys_error(EFAULT);
  std::uint64_t at = whole.address;
  // A source that stays may have become one VMA with its copy: what was moved is not found again.
  while (vma != nullptr && std::max(at, vma->start.raw()) < end) {
    const Gva vma_end = vma->end;
    at = std::max(at, vma->start.raw());
    Remap part = whole;
    part.address = at;
    part.old_length = part.new_length = std::min(vma_end.raw(), end) - at;
    part.new_address = whole.new_address + (at - whole.address);
    if (auto ok = check_vma(part, vma); !ok) return tl::unexpected(ok.error());
    if (const auto moved = mremap_to(part); !moved) return moved;
    at = vma_end.raw();
    vma = mm.vmas.find(vma_end);
  }
  return Gva(whole.new_address);
}

SysResult<Gva> remap(const Remap& r) {
  if (auto ok = check_parameters(r); !ok) return tl::unexpected(ok.error());
  const bool move_only = r.fixed() && r.old_length == r.new_length;
  if (move_only && r.mm.env().behaviour.mremap_many) return move_range(r);
  if (!r.implies_new_address()) return mremap_at(r);
  if (auto ok = check_vma(r, r.mm.vmas.lookup(Gva(r.address))); !ok) return tl::unexpected(ok.error());
  return mremap_to(r);
}

}  // namespace

SysResult<Gva> do_mremap(AddressSpace& mm, std::uint64_t address, std::uint64_t old_length, std::uint64_t new_length,
                         int flags, std::uint64_t new_address) {
  const Remap r{.mm = mm,
                .address = address,
                .old_length = page_align(old_length),
                .new_length = page_align(new_length),
                .flags = flags,
                .new_address = new_address};
  const bool grows_locked = r.growth() != 0;
  const SysResult<Gva> result = remap(r);
  // Pages of a locked area are there at once.
  if (result && grows_locked) {
    const Vma* vma = mm.vmas.lookup(*result);
    if (vma != nullptr && vma->flags.has(VmFlags::kLocked))
      static_cast<void>(mm_populate(mm, *result + r.old_length, *result + r.new_length, PopulateErrors::kIgnore));
  }
  return result;
}

}  // namespace faultline::mmu

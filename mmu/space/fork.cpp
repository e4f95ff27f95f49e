// Follows dup_mmap (mm/mmap.c) and mm_init (kernel/fork.c) of Linux 6.18; the pages are
// fork_pages.cpp's.
#include "mmu/space/fork.hpp"

#include "mmu/space/accounting.hpp"
#include "mmu/space/fork_pages.hpp"

namespace faultline::mmu {

namespace {

// What the child has whatever its VMAs are (Linux mm_init, and the copy of the mm_struct).
void inherit(AddressSpace& child, const AddressSpace& parent) {
  child.limits = parent.limits;
  // mlockall(MCL_FUTURE) is not inherited (VM_INIT_DEF_MASK).
  child.default_flags = VmFlags(parent.default_flags.raw() & VmFlags::kNoHugePage);
  child.mmap_base = parent.mmap_base;
  child.start_brk = parent.start_brk;
  child.brk = parent.brk;
  child.program = parent.program;
  child.allocated_pkeys = parent.allocated_pkeys;
}

// Linux vm_area_dup, and what dup_mmap changes in the copy.
Vma& dup_vma(AddressSpace& child, const Vma& vma) {
  Vma copy = vma;
  copy.flags = vma.flags.without(VmFlags::kLocked | VmFlags::kLockOnFault);
  copy.anon_vma = nullptr;
  vm_stat_account(child, copy.flags, static_cast<std::int64_t>(copy.pages()));
  Vma& dup = child.vmas.insert(std::move(copy));
  if (!vma.flags.has(VmFlags::kWipeOnFork)) anon_vma_fork(dup, vma);
  return dup;
}

// Does the host spend that much on the VMAs of one more child? A guest that forks in depth with
// many VMAs would have it spend any amount.
bool metadata_to_spare(const AddressSpace& parent) {
  std::uint64_t bytes = 0;
  for (const auto& [start, vma] : parent.vmas) bytes += vma.metadata_bytes() + AnonVmaLink::kMetadataBytes;
  return parent.frames().may_charge_metadata(bytes);
}

SysResult<void> dup_mmap(AddressSpace& child, AddressSpace& parent, TlbGather& gather) {
  for (const auto& [start, vma] : parent.vmas) {
    if (vma.flags.has(VmFlags::kDontCopy)) continue;
    if (vma.flags.has(VmFlags::kAccount) && !enough_memory(parent, vma.pages())) return sys_error(ENOMEM);
    dup_vma(child, vma);
    if (vma.flags.has(VmFlags::kWipeOnFork) || !vma_needs_copy(vma)) continue;
    if (auto copied = copy_page_range(child, parent, vma, gather); !copied) return copied;
  }
  return {};
}

}  // namespace

SysResult<std::shared_ptr<AddressSpace>> fork_address_space(AddressSpace& parent) {
  if (!metadata_to_spare(parent)) return sys_error(ENOMEM);
  std::shared_ptr<AddressSpace> child = AddressSpace::create(parent.env());
  if (!child) return sys_error(ENOMEM);
  inherit(*child, parent);
  TlbGather gather(parent.tables());
  const SysResult<void> copied = dup_mmap(*child, parent, gather);
  // The parent's entries lost W: before either of the two runs, whatever became of the child.
  gather.flush();
  if (!copied) return tl::unexpected(copied.error());
  return child;
}

}  // namespace faultline::mmu

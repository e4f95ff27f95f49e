// Follows do_mprotect_pkey, mprotect_fixup, change_pte_range and can_change_pte_writable
// (mm/mprotect.c). PROT_EXEC alone takes no key of its own (execute_only_pkey).
#include <sys/mman.h>

#include <algorithm>

#include "mmu/pgtable/editor.hpp"
#include "mmu/space/accounting.hpp"
#include "mmu/space/merge.hpp"
#include "mmu/space/notify.hpp"
#include "mmu/space/operations.hpp"
#include "mmu/space/pkeys.hpp"
#include "mmu/space/populate.hpp"
#include "mmu/space/protection.hpp"
#include "mmu/space/slots.hpp"

namespace faultline::mmu {

namespace {

constexpr int kProtSem = 0x8;  // PROT_SEM: accepted, without effect on x86

void change_protection(AddressSpace& mm, const Vma& vma, Gva start, Gva end, TlbGather& gather) {
  PtEditor editor(gather);
  for_each_slot(mm, start, end, [&](PteSlot slot, Gva va) {
    const Pte entry = slot.load();
    if (!entry.maps_frame(1)) return;
    std::uint64_t prot = vma.page_prot();
    if (can_change_pte_writable(mm, vma, entry)) prot |= Pte::kWrite;
    editor.protect(slot, va, prot);
  });
}

// Linux calc_vm_prot_bits over what the VMA has besides.
VmFlags with_prot(VmFlags old, int prot) {
  std::uint32_t bits = old.without(VmFlags::kProtection).raw();
  if ((prot & PROT_READ) != 0) bits |= VmFlags::kRead;
  if ((prot & PROT_WRITE) != 0) bits |= VmFlags::kWrite;
  if ((prot & PROT_EXEC) != 0) bits |= VmFlags::kExec;
  return VmFlags(bits);
}

// Is every right asked for one that the mapping may have (VM_MAY*)?
bool permitted(VmFlags flags) {
  return (!flags.has(VmFlags::kRead) || flags.has(VmFlags::kMayRead)) &&
         (!flags.has(VmFlags::kWrite) || flags.has(VmFlags::kMayWrite)) &&
         (!flags.has(VmFlags::kExec) || flags.has(VmFlags::kMayExec));
}

// Commit accounting of a change, and RLIMIT_DATA where an area turns into data.
SysResult<VmFlags> account(const AddressSpace& mm, const Vma& vma, VmFlags flags, std::uint64_t pages) {
  if (flags.has(VmFlags::kWrite)) {
    if (!may_expand_vm(mm, flags, pages) && may_expand_vm(mm, vma.flags, pages)) return sys_error(ENOMEM);
    if (!vma.flags.any(VmFlags::kAccount | VmFlags::kWrite | VmFlags::kShared | VmFlags::kNoReserve)) {
      if (!enough_memory(mm, pages)) return sys_error(ENOMEM);
      return flags.with(VmFlags::kAccount);
    }
  } else if (vma.flags.has(VmFlags::kAccount) && vma.anonymous() && vma.anon_vma == nullptr) {
    return flags.without(VmFlags::kAccount);
  }
  return flags;
}

// Linux mprotect_fixup: one VMA's part of the range. Returns the VMA that covers it now.
SysResult<Vma*> fixup(AddressSpace& mm, Vma& vma, Gva start, Gva end, VmFlags wanted, TlbGather& gather) {
  const VmFlags old = vma.flags;
  if (old.has(VmFlags::kSealed)) return sys_error(EPERM);
  if (wanted == old) return &vma;
  const std::uint64_t pages = end.page() - start.page();
  const SysResult<VmFlags> flags = account(mm, vma, wanted, pages);
  if (!flags) return tl::unexpected(flags.error());
  const SysResult<Vma*> changed = modify_range(mm, vma, start, end, *flags);
  if (!changed) return changed;
  const NotifierRange notify(mm, NotifierEvent::kProtectionVma, start, end);
  change_protection(mm, **changed, start, end, gather);
  if (mm.notifier != nullptr) gather.flush();  // before the bracket closes
  // A locked private area that becomes writable has its pages copied now, not by later faults.
  if (old.has(VmFlags::kLocked) && !old.any(VmFlags::kWrite | VmFlags::kShared) && flags->has(VmFlags::kWrite)) {
    gather.flush();
    static_cast<void>(populate_vma(mm, **changed, start, end, GupWait::kHeld));
  }
  vm_stat_account(mm, old, -static_cast<std::int64_t>(pages));
  vm_stat_account(mm, *flags, static_cast<std::int64_t>(pages));
  return changed;
}

struct Range {
  Gva start, end;
};

// The part of the address space that the call means (PROT_GROWSDOWN: from the stack's start).
SysResult<Range> resolve(AddressSpace& mm, Gva start, Gva end, int grows) {
  const Vma* vma = mm.vmas.first_in(start, end);
  if (vma == nullptr) return sys_error(ENOMEM);
  if ((grows & PROT_GROWSDOWN) != 0) {
    if (!vma->flags.has(VmFlags::kGrowsDown)) return sys_error(EINVAL);
    return Range{vma->start, end};
  }
  if (vma->start > start) return sys_error(ENOMEM);
  if ((grows & PROT_GROWSUP) != 0) return sys_error(EINVAL);  // nothing grows up on x86
  return Range{start, end};
}

SysResult<void> change_range(AddressSpace& mm, Range range, int prot, int pkey, TlbGather& gather) {
  Gva at = range.start;
  while (at < range.end) {
    Vma* vma = mm.vmas.lookup(at);
    if (vma == nullptr) return sys_error(ENOMEM);  // a hole: what lies before it stays changed
    VmFlags flags = with_prot(vma->flags, prot);
    if (pkey != kNoPkey) flags = flags.with_pkey(static_cast<unsigned>(pkey));
    if (!permitted(flags)) return sys_error(EACCES);
    const Gva stop = std::min(vma->end, range.end);
    const SysResult<Vma*> changed = fixup(mm, *vma, at, stop, flags, gather);
    if (!changed) return tl::unexpected(changed.error());
    at = std::max(stop, (*changed)->end);
  }
  return {};
}

}  // namespace

SysResult<void> do_mprotect(AddressSpace& mm, std::uint64_t address, std::uint64_t length, int prot, int pkey) {
  const int grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
  prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP);
  if (grows == (PROT_GROWSDOWN | PROT_GROWSUP)) return sys_error(EINVAL);
  if ((address & kPageMask) != 0) return sys_error(EINVAL);
  if (length == 0) return {};
  const std::uint64_t end = address + page_align(length);
  if (end <= address) return sys_error(ENOMEM);
  if ((prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | kProtSem)) != 0) return sys_error(EINVAL);
  if (pkey != kNoPkey && !pkey_allocated(mm, pkey)) return sys_error(EINVAL);
  const SysResult<Range> range = resolve(mm, Gva(address), Gva(end), grows);
  if (!range) return tl::unexpected(range.error());
  TlbGather gather(mm.tables());
  const auto result = change_range(mm, *range, prot, pkey, gather);
  gather.flush();
  return result;
}

}  // namespace faultline::mmu

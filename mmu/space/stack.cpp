#include "mmu/space/stack.hpp"

#include "mmu/space/accounting.hpp"

namespace faultline::mmu {

namespace {

// Linux acct_stack_growth: may the area grow to `bytes` by `pages`?
SysResult<void> check_limits(const AddressSpace& mm, const Vma& vma, std::uint64_t bytes, std::uint64_t pages) {
  if (!may_expand_vm(mm, vma.flags, pages)) return sys_error(ENOMEM);
  if (bytes > mm.limits.stack) return sys_error(ENOMEM);
  if (!mlock_future_ok(mm, vma.flags, pages << kPageShift)) return sys_error(ENOMEM);
  if (!enough_memory(mm, pages)) return sys_error(ENOMEM);
  return {};
}

}  // namespace

SysResult<void> expand_stack(AddressSpace& mm, Vma& vma, Gva address) {
  const Gva start = address.page_base();
  if (!vma.flags.has(VmFlags::kGrowsDown)) return sys_error(EFAULT);
  if (start.raw() < mm.limits.mmap_min_addr) return sys_error(EPERM);
  // The gap is kept to anything accessible below that is not a stack itself.
  if (const Vma* below = mm.vmas.previous(vma)) {
    if (!below->flags.has(VmFlags::kGrowsDown) && below->flags.accessible() &&
        (start < below->end || start - below->end < mm.limits.stack_guard_gap))
      return sys_error(ENOMEM);
    if (start < below->end) return sys_error(ENOMEM);
  }
  // Before anything else can fail, as expand_downwards does: it shows in later merges.
  mm.prepare_anon_vma(vma);
  if (start >= vma.start) return {};
  const std::uint64_t pages = vma.start.page() - start.page();
  if (pages > vma.pgoff.raw()) return sys_error(ENOMEM);
  if (auto ok = check_limits(mm, vma, vma.end - start, pages); !ok) return ok;
  mm.vmas.resize(vma, start, vma.end);
  vm_stat_account(mm, vma.flags, static_cast<std::int64_t>(pages));
  if (vma.flags.has(VmFlags::kLocked)) mm.locked_vm += pages;
  return {};
}

}  // namespace faultline::mmu

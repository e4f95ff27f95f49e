// Entries that are neither empty nor present. Follows do_swap_page for what is no place on swap,
// handle_pte_marker and do_numa_page (mm/memory.c). There is no swap yet: nobody makes such
// entries, so one of them is a corrupted table.
#include "mmu/arch/swap_entry.hpp"
#include "mmu/fault/context.hpp"
#include "mmu/space/protection.hpp"

namespace faultline::mmu {

namespace {

VmFault handle_pte_marker(FaultContext& f, SwapEntry entry) {
  if ((entry.offset() & SwapEntry::kMarkerPoisoned) != 0) {
    f.path.add(FaultStep::kPoison);
    return VmFault::kHwpoison;
  }
  if (entry.guard()) {
    f.path.add(FaultStep::kGuard);
    return VmFault::kSigsegv;
  }
  if ((entry.offset() & SwapEntry::kMarkerUffdWp) != 0) {
    // Nobody watches writes here any more: the marker goes, the access is made again.
    if (f.entry_unchanged()) f.editor().clear(f.slot, f.address);
    return {};
  }
  f.path.add(FaultStep::kBadEntry);
  return VmFault::kSigbus;
}

}  // namespace

VmFault do_nonpresent(FaultContext& f) {
  const SwapEntry entry(f.entry);
  if (entry.marker()) return handle_pte_marker(f, entry);
  if (entry.migration()) {
    f.path.add(FaultStep::kMigrationWait);
    if (f.mm.fault_hooks != nullptr) f.mm.fault_hooks->migration_wait(f.mm, f.address, f.slot);
    return {};
  }
  f.path.add(FaultStep::kBadEntry);
  return VmFault::kBadTable;
}

VmFault do_numa_page(FaultContext& f) {
  if (!f.entry_unchanged()) return {};
  f.path.add(FaultStep::kProtNone);
  std::uint64_t prot = f.vma.page_prot() | Pte::kAccessed;
  if (can_change_pte_writable(f.mm, f.vma, f.entry)) prot |= Pte::kWrite;
  f.editor().protect(f.slot, f.address, prot);
  return {};
}

}  // namespace faultline::mmu

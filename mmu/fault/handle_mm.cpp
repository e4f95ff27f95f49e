// Follows handle_mm_fault and handle_pte_fault (mm/memory.c).
#include "mmu/fault/account.hpp"
#include "mmu/fault/context.hpp"

namespace faultline::mmu {

namespace {

// Linux handle_pte_fault for a present entry.
VmFault do_present(FaultContext& f) {
  if (!f.entry_unchanged()) return {};
  if ((f.write() || f.unshare()) && !f.entry.writable()) return do_wp_page(f);
  const Pte wanted = f.entry.with(Pte::kAccessed | (f.write() ? Pte::kDirty : 0));
  if (wanted != f.entry) FL_CHECK(f.editor().widen(f.slot, f.address, f.entry, wanted));
  f.path.add(FaultStep::kSpurious);
  return {};
}

// Linux sanitize_fault_flags: combinations that no caller may ask for are SIGSEGV.
VmFault check_flags(const Vma& vma, FaultFlags& flags) {
  if (flags.has(FaultFlags::kUnshare)) {
    if (flags.has(FaultFlags::kWrite)) return VmFault::kSigsegv;
    if (!vma.flags.cow()) flags = flags.without(FaultFlags::kUnshare);
  } else if (flags.has(FaultFlags::kWrite)) {
    if (!vma.flags.has(VmFlags::kMayWrite)) return VmFault::kSigsegv;
    if (!vma.flags.has(VmFlags::kWrite) && !vma.flags.cow()) return VmFault::kSigsegv;
  }
  return {};
}

// Linux __handle_mm_fault: the tables above, then the entry. For a page of a file Linux links the
// last table together with the page (finish_fault), so a fault that maps nothing leaves none.
VmFault with_tables(FaultRun& run, Vma& vma, FaultFlags flags) {
  PageTables& tables = run.mm.tables();
  TlbGather gather(tables, run.log);
  const std::uint64_t before = tables.tables();
  const PteSlot slot = tables.populate(run.request.address, run.log);
  if (!slot.valid()) {
    run.outcome.path.add(FaultStep::kTablesFull);
    return VmFault::kOom;
  }
  FaultContext f{.mm = run.mm,
                 .vma = vma,
                 .address = run.request.address.page_base(),
                 .flags = flags,
                 .slot = slot,
                 .entry = slot.load(),
                 .gather = gather,
                 .path = run.outcome.path,
                 .new_table = tables.tables() != before};
  const VmFault result = handle_pte_fault(f);
  if (f.new_table && !vma.anonymous() && slot.load().none()) tables.free_empty_table(f.address, gather);
  gather.flush();
  run.outcome.tlb = std::max(run.outcome.tlb, gather.action());
  return result;
}

VmFault attempt(FaultRun& run, Vma& vma, FaultFlags flags) {
  if (const VmFault wrong = check_flags(vma, flags); wrong.error()) return wrong;
  if (!keys_permit(run.mm, run.request, vma.flags)) return VmFault::kSigsegv;
  if (run.mm.fault_hooks != nullptr) {
    VmFault injected = run.mm.fault_hooks->attempt(run.mm, run.request.address, flags);
    // A handler that may not drop the lock does not ask for it to be taken again.
    if (!flags.has(FaultFlags::kAllowRetry)) injected = injected.without(VmFault::kRetry);
    if (injected.any(VmFault::kCompleted)) run.outcome.path.add(FaultStep::kCompleted);
    if (injected.any(VmFault::kError | VmFault::kRetry | VmFault::kCompleted | VmFault::kNopage)) return injected;
  }
  const VmFault fault = with_tables(run, vma, flags);
  // Memory that may vanish at any time need not be had: the access is made again.
  return vma.flags.has(VmFlags::kDroppable) ? fault.without(VmFault::kOom) : fault;
}

}  // namespace

VmFault handle_pte_fault(FaultContext& f) {
  switch (f.entry.kind(1)) {
    case PteKind::kNone: return f.vma.anonymous() ? do_anonymous_page(f) : do_fault(f);
    case PteKind::kLeaf: return do_present(f);
    case PteKind::kProtNone: return f.vma.flags.accessible() ? do_numa_page(f) : do_present(f);
    case PteKind::kSwap:
    case PteKind::kMigration:
    case PteKind::kMarker: return do_nonpresent(f);
    case PteKind::kTable: break;  // no entry of this level is
  }
  f.path.add(FaultStep::kBadEntry);
  return VmFault::kBadTable;
}

VmFault handle_mm_fault(FaultRun& run, Vma& vma, FaultFlags flags) {
  ++run.outcome.attempts;
  run.outcome.flags = flags;
  const VmFault fault = attempt(run, vma, flags);
  run.outcome.major = account_fault(run.mm, run.request, fault, flags);
  return fault;
}

}  // namespace faultline::mmu

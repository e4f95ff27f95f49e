// The ladder. Follows handle_page_fault and do_user_addr_fault (arch/x86/mm/fault.c), then
// handle_mm_fault and handle_pte_fault (mm/memory.c), in their order of checks.
#include "mmu/fault/fault.hpp"

#include "mmu/fault/access.hpp"
#include "mmu/fault/account.hpp"
#include "mmu/fault/context.hpp"
#include "mmu/space/stack.hpp"

namespace faultline::mmu {

namespace {

// Linux handle_pte_fault for a present entry.
VmFault do_present(FaultContext& f) {
  if (f.write && !f.entry.writable()) return do_wp_page(f);
  const Pte wanted = f.entry.with(Pte::kAccessed | (f.write ? Pte::kDirty : 0));
  if (wanted == f.entry) {
    f.path.add(FaultStep::kSpurious);
  } else {
    f.path.add(f.editor().widen(f.slot, f.address, f.entry, wanted) ? FaultStep::kSpurious : FaultStep::kRaced);
  }
  return VmFault();
}

// Linux handle_pte_fault.
VmFault handle_pte_fault(FaultContext& f) {
  switch (f.entry.kind(1)) {
    case PteKind::kNone: return f.vma.anonymous() ? do_anonymous_page(f) : do_fault(f);
    case PteKind::kLeaf: return do_present(f);
    case PteKind::kProtNone:
      f.path.add(FaultStep::kProtNone);
      f.editor().protect(f.slot, f.address, f.vma.page_prot());
      return VmFault();
    case PteKind::kSwap:
    case PteKind::kMigration:
    case PteKind::kMarker:
    case PteKind::kTable: f.path.add(FaultStep::kBadEntry); return VmFault::kBadTable;
  }
  return VmFault::kBadTable;
}

// Linux handle_mm_fault: the tables above, then the entry.
VmFault handle_mm_fault(AddressSpace& mm, Vma& vma, const FaultRequest& request, EditLog* log, FaultOutcome& outcome) {
  TlbGather gather(mm.tables(), log);
  const PteSlot slot = mm.tables().populate(request.address, log);
  if (!slot.valid()) {
    outcome.path.add(FaultStep::kTablesFull);
    return VmFault::kOom;
  }
  FaultContext f{.mm = mm,
                 .vma = vma,
                 .address = request.address.page_base(),
                 .write = request.error.write(),
                 .slot = slot,
                 .entry = slot.load(),
                 .gather = gather,
                 .path = outcome.path};
  const VmFault result = handle_pte_fault(f);
  gather.flush();
  outcome.tlb = gather.action();
  return result;
}

// The VMA for the address, its stack grown if that is what it takes (lock_mm_and_find_vma).
Vma* find_vma_for_fault(AddressSpace& mm, Gva address, FaultPath& path) {
  Vma* vma = mm.vmas.find(address);
  if (vma == nullptr || (vma->start > address && !vma->flags.has(VmFlags::kGrowsDown))) {
    path.add(FaultStep::kNoVma);
    return nullptr;
  }
  if (vma->start > address) {
    if (!expand_stack(mm, *vma, address)) {
      path.add(FaultStep::kStackRefused);
      return nullptr;
    }
    path.add(FaultStep::kStackExpanded);
    return mm.vmas.lookup(address);
  }
  path.add(FaultStep::kVmaFound);
  return vma;
}

FaultResult signal_of(VmFault fault) {
  if (!fault.error()) return FaultResult::kResolved;
  if (fault.any(VmFault::kOom)) return FaultResult::kOutOfMemory;
  return fault.any(VmFault::kSigbus) ? FaultResult::kBusAdrErr : FaultResult::kPgtableBad;
}

// Linux do_user_addr_fault.
void do_user_addr_fault(AddressSpace& mm, const FaultRequest& request, EditLog* log, FaultOutcome& outcome) {
  if (request.error.reserved()) {
    outcome.path.add(FaultStep::kPgtableBad);
    outcome.result = FaultResult::kPgtableBad;
    return;
  }
  if (request.origin != FaultOrigin::kGup) ++mm.counters.perf_faults;

  Vma* vma = find_vma_for_fault(mm, request.address, outcome.path);
  if (vma == nullptr) {
    outcome.result = FaultResult::kSegvMapErr;
    return;
  }
  outcome.vma_start = vma->start;
  outcome.vma_end = vma->end;
  outcome.vma_flags = vma->flags;
  if (access_error(request.error, vma->flags)) {
    outcome.path.add(FaultStep::kAccessError);
    outcome.result = FaultResult::kSegvAccErr;
    return;
  }
  if (mm.observer != nullptr) mm.observer->decided();
  const VmFault fault = handle_mm_fault(mm, *vma, request, log, outcome);
  account_fault(mm.counters, request.origin, fault);
  outcome.major = fault.any(VmFault::kMajor);
  outcome.result = signal_of(fault);
}

// Linux handle_page_fault.
void dispatch(AddressSpace& mm, const FaultRequest& request, EditLog* log, FaultOutcome& outcome) {
  outcome.reported_error = request.error;
  if (request.address < mm.task_size()) return do_user_addr_fault(mm, request, log, outcome);
  // User code has no business there, whatever is mapped: do_kern_addr_fault sends it to
  // bad_area_nosemaphore, and sanitize_error_code hides whether something is mapped.
  outcome.path.add(FaultStep::kKernelAddress);
  outcome.reported_error = request.error.with(ErrorCode::kPresent);
  outcome.result = FaultResult::kSegvMapErr;
}

}  // namespace

FaultOutcome handle_page_fault(AddressSpace& mm, const FaultRequest& request) {
  FaultOutcome outcome;
  EditLog* log = mm.observer != nullptr ? mm.observer->began(mm, request) : nullptr;
  dispatch(mm, request, log, outcome);
  if (mm.observer != nullptr) mm.observer->ended(mm, request, outcome);
  return outcome;
}

SysResult<void> fault_in_page(AddressSpace& mm, Gva address, bool write, FaultOrigin origin) {
  // A write to a page of the zero page or a file takes a second turn; more would be a loop.
  constexpr int kMaxTurns = 4;
  for (int turn = 0; turn < kMaxTurns; ++turn) {
    const LeafSlot leaf = find_leaf(mm.frames().memory(), mm.tables().root(), mm.mode(), address);
    const Pte entry = leaf.slot.valid() ? leaf.slot.load() : Pte();
    if (address < mm.task_size() && entry.present() && (!write || entry.writable())) return {};
    std::uint32_t bits = write ? ErrorCode::kWrite : 0;
    if (entry.present()) bits |= ErrorCode::kPresent;
    const FaultOutcome outcome =
        handle_page_fault(mm, {.address = address, .error = ErrorCode(bits), .ip = Gva(0), .origin = origin});
    if (outcome.result == FaultResult::kOutOfMemory) return sys_error(ENOMEM);
    if (!outcome.resolved()) return sys_error(EFAULT);
  }
  return sys_error(EFAULT);
}

}  // namespace faultline::mmu

// The kernel looks for a user page itself. Follows check_vma_flags, faultin_page,
// can_follow_write_pte (mm/gup.c): no registers, no stack growth, no signal.
#include "mmu/fault/context.hpp"

namespace faultline::mmu {

namespace {

// Linux check_vma_flags.
bool may_look(const FaultRun& run, const Vma& vma) {
  const bool force = run.request.gup.force;
  const VmFlags flags = vma.flags;
  if (run.request.error.write()) {
    // Forced writes go to a private copy, never to what others see.
    if (!flags.has(VmFlags::kWrite) && !(force && flags.cow())) return false;
  } else if (!flags.has(VmFlags::kRead)) {
    if (!force || !flags.has(VmFlags::kMayRead)) return false;
  }
  return keys_permit(run.mm, run.request, flags);
}

FaultFlags initial_flags(const FaultRequest& request) {
  FaultFlags flags(FaultFlags::kKillable);
  if (request.gup.wait != GupWait::kHeld) flags = flags.with(FaultFlags::kAllowRetry);
  if (request.error.write()) flags = flags.with(FaultFlags::kWrite);
  if (request.gup.remote) flags = flags.with(FaultFlags::kRemote);
  if (request.gup.unshare) flags = flags.with(FaultFlags::kUnshare);
  return flags;
}

FaultResult result_of(const AddressSpace& mm, VmFault fault) {
  if (!fault.error()) return FaultResult::kResolved;
  if (fault.any(VmFault::kBadTable)) return FaultResult::kPgtableBad;
  if (fault.any(VmFault::kOom)) return FaultResult::kOutOfMemory;
  if (fault.any(VmFault::kHwpoison | VmFault::kHwpoisonLarge) && mm.env().memory_failure)
    return FaultResult::kBusMceErrAr;
  return fault.any(VmFault::kSigsegv) ? FaultResult::kSegvMapErr : FaultResult::kBusAdrErr;
}

// Linux can_follow_write_pte: W, or a private copy that a forced write made in a read-only area.
bool can_follow_write(const AddressSpace& mm, const Vma& vma, Pte entry, GupMode gup) {
  if (entry.writable()) return true;
  if (!gup.force || !vma.flags.cow() || vma.flags.has(VmFlags::kWrite) || entry.special()) return false;
  const Frame& frame = mm.frames().at(entry.frame());
  return frame.kind == FrameKind::kAnon && frame.anon_exclusive;
}

// Linux gup_must_unshare.
bool must_unshare(const AddressSpace& mm, Pte entry) {
  if (entry.special() || entry.writable()) return entry.special();
  const Frame& frame = mm.frames().at(entry.frame());
  return frame.kind != FrameKind::kAnon || !frame.anon_exclusive;
}

// Linux follow_page_pte: is there a page that the caller may use?
bool can_follow(const AddressSpace& mm, Gva address, bool write, FaultOrigin origin, GupMode gup) {
  const Vma* vma = mm.vmas.lookup(address);
  const PteSlot slot = mm.tables().find(address);
  if (vma == nullptr || !slot.valid()) return false;
  const Pte entry = slot.load();
  if (origin == FaultOrigin::kKernel) return entry.present() && (!write || entry.writable());
  const bool reachable = entry.present() || (entry.maps_frame(1) && !vma->flags.accessible());
  if (!reachable) return false;
  if (write) return can_follow_write(mm, *vma, entry, gup);
  return !gup.unshare || !vma->flags.cow() || !must_unshare(mm, entry);
}

}  // namespace

void do_gup_fault(FaultRun& run) {
  AddressSpace& mm = run.mm;
  const std::uint32_t again = run.request.gup.wait == GupWait::kAnew ? 0 : FaultFlags::kTried;
  for (FaultFlags flags = initial_flags(run.request);; flags = flags.with(again)) {
    Vma* vma = mm.vmas.lookup(run.request.address);
    if (vma == nullptr) return run.end(FaultStep::kNoVma, FaultResult::kSegvMapErr);
    run.found(*vma, FaultStep::kVmaFound);
    if (!may_look(run, *vma)) return run.end(FaultStep::kAccessError, FaultResult::kSegvAccErr);
    if (mm.observer != nullptr) mm.observer->decided();
    const VmFault fault = handle_mm_fault(run, *vma, flags);
    if (!fault.any(VmFault::kRetry)) {
      run.outcome.result = result_of(mm, fault);
      return;
    }
    run.outcome.path.add(FaultStep::kRetry);
    if (mm.fault_hooks != nullptr && mm.fault_hooks->fatal_signal_pending())
      return run.end(FaultStep::kSignalPending, FaultResult::kInterrupted);
  }
}

SysResult<void> fault_in_page(AddressSpace& mm, Gva address, bool write, FaultOrigin origin, GupMode gup) {
  // A write to a page of the zero page or a file takes a second turn; more would be a loop.
  constexpr int kMaxTurns = 4;
  for (int turn = 0; turn < kMaxTurns; ++turn) {
    if (address < mm.task_size() && can_follow(mm, address, write, origin, gup)) return {};
    const PteSlot slot = address < mm.task_size() ? mm.tables().find(address) : PteSlot();
    std::uint32_t bits = write ? ErrorCode::kWrite : 0;
    if (slot.valid() && slot.load().present()) bits |= ErrorCode::kPresent;
    const FaultOutcome outcome = handle_page_fault(
        mm, {.address = address, .error = ErrorCode(bits), .ip = Gva(0), .origin = origin, .gup = gup});
    if (outcome.resolved()) continue;
    switch (outcome.result) {
      case FaultResult::kOutOfMemory: return sys_error(ENOMEM);
      case FaultResult::kBusMceErrAr: return sys_error(EHWPOISON);
      case FaultResult::kInterrupted: return sys_error(EINTR);
      default: return sys_error(EFAULT);
    }
  }
  return sys_error(EFAULT);
}

}  // namespace faultline::mmu

// Follows do_kern_addr_fault (arch/x86/mm/fault.c), with the steps that older versions had.
#include "mmu/fault/context.hpp"
#include "mmu/kernel/hooks.hpp"
#include "mmu/kernel/kernel_half.hpp"

namespace faultline::mmu {

namespace {

// A process that lags behind, or a page that is tracked: of kernel code at a page that is not
// present, and nothing else.
bool absence_explained(FaultRun& run, KernelHalf& kernel) {
  constexpr std::uint32_t kNot = ErrorCode::kReserved | ErrorCode::kUser | ErrorCode::kPresent;
  if ((run.request.error.raw() & kNot) != 0) return false;
  if (synced(kernel.sync(run.mm.tables().root(), run.request.address))) {
    run.end(FaultStep::kVmallocFault, FaultResult::kResolved);
    return true;
  }
  return run.handled_by(HookPoint::kKmemcheck, FaultStep::kKmemcheck);
}

// True: the access is made again.
bool explained(FaultRun& run, KernelHalf& kernel) {
  if (absence_explained(run, kernel)) return true;
  if (spurious_kernel_fault(kernel.reference(), run.request.address, run.request.error)) {
    run.end(FaultStep::kSpuriousKernel, FaultResult::kResolved);
    return true;
  }
  return !run.user_mode() && run.handled_by(HookPoint::kKprobes, FaultStep::kKprobes);
}

}  // namespace

void do_kern_addr_fault(FaultRun& run) {
  run.outcome.path.add(FaultStep::kKernelAddress);
  if (run.mm.kernel != nullptr && explained(run, *run.mm.kernel)) return;
  bad_area_nosemaphore(run, FaultResult::kSegvMapErr);
}

bool FaultRun::handled_by(HookPoint point, FaultStep step) {
  if (mm.kernel == nullptr || mm.kernel->hooks == nullptr) return false;
  const HookVerdict verdict = mm.kernel->hooks->ask(point, request);
  if (verdict == HookVerdict::kNotMine) return false;
  end(step, FaultResult::kResolved);
  outcome.single_step = verdict == HookVerdict::kHandledByStep;
  return true;
}

}  // namespace faultline::mmu

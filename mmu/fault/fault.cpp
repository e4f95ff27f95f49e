// Where faults enter. Follows handle_page_fault and do_kern_addr_fault (arch/x86/mm/fault.c).
#include "mmu/fault/fault.hpp"

#include "mmu/fault/context.hpp"

namespace faultline::mmu {

namespace {

constexpr Gva kVsyscallPage(0xffff'ffff'ff60'0000);

// Linux do_kern_addr_fault for user code, which has no business there, whatever is mapped:
// bad_area_nosemaphore, no lock, no VMA. For the kernel itself there are no such addresses here,
// so it is a bad pointer of its own.
void do_kern_addr_fault(FaultRun& run) {
  run.outcome.path.add(FaultStep::kKernelAddress);
  const bool oops = run.request.origin == FaultOrigin::kKernel && !run.request.kernel.fixup;
  run.outcome.result = oops ? FaultResult::kOops : FaultResult::kSegvMapErr;
}

// Linux handle_page_fault.
void dispatch(FaultRun& run) {
  const Gva address = run.request.address;
  run.outcome.reported_error = run.request.error;
  if (address < run.mm.task_size()) {
    return run.request.origin == FaultOrigin::kGup ? do_gup_fault(run) : do_user_addr_fault(run);
  }
  // Signals do not tell what is mapped there (sanitize_error_code).
  run.outcome.reported_error = run.request.error.with(ErrorCode::kPresent);
  const bool vsyscall = address.page_base() == kVsyscallPage && run.request.origin == FaultOrigin::kUser;
  return vsyscall ? do_user_addr_fault(run) : do_kern_addr_fault(run);
}

}  // namespace

FaultOutcome handle_page_fault(AddressSpace& mm, const FaultRequest& request) {
  FaultOutcome outcome;
  EditLog* log = mm.observer != nullptr ? mm.observer->began(mm, request) : nullptr;
  FaultRun run{.mm = mm, .request = request, .log = log, .outcome = outcome};
  dispatch(run);
  if (mm.observer != nullptr) mm.observer->ended(mm, request, outcome);
  return outcome;
}

}  // namespace faultline::mmu

// Where faults enter. Follows exc_page_fault and handle_page_fault (arch/x86/mm/fault.c).
#include "mmu/fault/fault.hpp"

#include "mmu/fault/context.hpp"
#include "mmu/kernel/hooks.hpp"
#include "mmu/kernel/kernel_half.hpp"

namespace faultline::mmu {

namespace {

constexpr Gva kVsyscallPage(0xffff'ffff'ff60'0000);

// Linux handle_page_fault.
void dispatch(FaultRun& run) {
  const Gva address = run.request.address;
  run.outcome.reported_error = run.request.error;
  if (run.handled_by(HookPoint::kKmmio, FaultStep::kKmmio)) return;
  if (address < run.mm.task_size()) {
    return run.request.origin == FaultOrigin::kGup ? do_gup_fault(run) : do_user_addr_fault(run);
  }
  // Signals do not tell what is mapped there (sanitize_error_code).
  run.outcome.reported_error = run.request.error.with(ErrorCode::kPresent);
  const bool vsyscall = address.page_base() == kVsyscallPage && run.request.origin == FaultOrigin::kUser;
  return vsyscall ? do_user_addr_fault(run) : do_kern_addr_fault(run);
}

// exception_enter and exception_exit around it, and what perf counted in it.
void dispatch_with_hooks(FaultRun& run, const KernelHooks& hooks) {
  const FaultCounters before = run.mm.counters;
  hooks.enter(run.request);
  dispatch(run);
  hooks.perf(before, run.mm.counters, run.request);
  hooks.exit(run.request, run.outcome);
}

}  // namespace

FaultOutcome handle_page_fault(AddressSpace& mm, const FaultRequest& request) {
  FaultOutcome outcome;
  EditLog* log = mm.observer != nullptr ? mm.observer->began(mm, request) : nullptr;
  FaultRun run{.mm = mm, .request = request, .log = log, .outcome = outcome};
  const KernelHooks* hooks = mm.kernel != nullptr ? mm.kernel->hooks : nullptr;
  if (hooks == nullptr) {
    dispatch(run);
  } else {
    dispatch_with_hooks(run, *hooks);
  }
  if (mm.observer != nullptr) mm.observer->ended(mm, request, outcome);
  return outcome;
}

}  // namespace faultline::mmu

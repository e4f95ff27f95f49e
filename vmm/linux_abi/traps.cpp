// From what the CPU reports to the signal that Linux sends (arch/x86/mm/fault.c
// __bad_area_nosemaphore and do_sigbus; arch/x86/kernel/traps.c).
#include <vector>

#include "vmm/linux_abi/fault_signal.hpp"
#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi {
namespace {

// SDM vol. 3A, "Exception and Interrupt Vectors".
enum Vector : std::uint8_t {
  kDe = 0,
  kDb = 1,
  kBp = 3,
  kUd = 6,
  kNp = 11,
  kSs = 12,
  kPf = 14,
  kMf = 16,
  kAc = 17,
  kXm = 19,
  kCp = 21,
};

constexpr int kSegvCpErr = 10;  // SEGV_CPERR

SignalInfo kernel_signal(int signo, SignalInfo::Trap trap) { return SignalInfo::fault(signo, SI_KERNEL, 0, trap); }

// Linux fpu__exception_code: the highest-priority exception that is raised and not masked.
int fp_code(std::uint32_t raised) {
  constexpr std::uint32_t kInvalid = 1, kDenormal = 2, kDivide = 4, kOverflow = 8, kUnderflow = 0x10, kInexact = 0x20;
  if ((raised & kInvalid) != 0) return FPE_FLTINV;
  if ((raised & kDivide) != 0) return FPE_FLTDIV;
  if ((raised & kOverflow) != 0) return FPE_FLTOVF;
  if ((raised & (kDenormal | kUnderflow)) != 0) return FPE_FLTUND;
  if ((raised & kInexact) != 0) return FPE_FLTRES;
  return 0;
}

int fp_code_of(Vcpu& vcpu, bool simd) {
  std::vector<std::byte> area(vcpu.xsave_size());
  if (!vcpu.get_xsave(area)) return 0;
  std::uint16_t control = 0, status = 0;
  std::uint32_t mxcsr = 0;
  std::memcpy(&control, area.data(), sizeof control);
  std::memcpy(&status, area.data() + 2, sizeof status);
  std::memcpy(&mxcsr, area.data() + 24, sizeof mxcsr);
  return simd ? fp_code(mxcsr & ~(mxcsr >> 7)) : fp_code(static_cast<std::uint32_t>(status & ~control));
}

}  // namespace

SignalInfo Task::signal_for(const PageFaultEvent& event, const mmu::FaultOutcome& outcome) {
  const SignalInfo::Trap trap{kPf, outcome.reported_error.raw(), event.address.raw()};
  FL_CHECK(!outcome.resolved());
  const FaultSignal sent = fault_signal(outcome.result);
  if (sent.number == 0) return {};
  if (sent.number == SIGKILL) return kernel_signal(SIGKILL, trap);
  SignalInfo signal = SignalInfo::fault(sent.number, sent.code, event.address.raw(), trap);
  if (outcome.result == mmu::FaultResult::kSegvPkuErr) signal.info.si_pkey = outcome.pkey;
  if (outcome.result == mmu::FaultResult::kBusMceErrAr) signal.info.si_addr_lsb = outcome.address_lsb;
  return signal;
}

SignalInfo Task::signal_for(const ExceptionEvent& event) {
  const std::uint64_t ip = vcpu_.regs().rip;
  const SignalInfo::Trap trap{event.vector, event.error_code, std::nullopt};
  switch (event.vector) {
    case kDe: return SignalInfo::fault(SIGFPE, FPE_INTDIV, ip, trap);
    case kDb: return SignalInfo::fault(SIGTRAP, TRAP_TRACE, ip, trap);
    case kBp: return kernel_signal(SIGTRAP, trap);
    case kUd: return SignalInfo::fault(SIGILL, ILL_ILLOPN, ip, trap);
    case kNp:
    case kSs: return kernel_signal(SIGBUS, trap);
    case kMf: return SignalInfo::fault(SIGFPE, fp_code_of(vcpu_, false), ip, trap);
    case kXm: return SignalInfo::fault(SIGFPE, fp_code_of(vcpu_, true), ip, trap);
    case kAc: return SignalInfo::fault(SIGBUS, BUS_ADRALN, 0, trap);
    case kCp: return SignalInfo::fault(SIGSEGV, kSegvCpErr, 0, trap);
    default: return kernel_signal(SIGSEGV, trap);  // #OF, #BR, #TS, #GP
  }
}

void Task::on_page_fault(const PageFaultEvent& event, const mmu::FaultOutcome& outcome) {
  // A signal that is pending already is delivered before the access is made again.
  if (outcome.result == mmu::FaultResult::kInterrupted) return;
  if (outcome.result == mmu::FaultResult::kVsyscall) return on_vsyscall(event);
  force_signal(signal_for(event, outcome));
}

void Task::on_exception(const ExceptionEvent& event) { force_signal(signal_for(event)); }

}  // namespace faultline::vmm::linux_abi

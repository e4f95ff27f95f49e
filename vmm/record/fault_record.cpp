#include "vmm/record/fault_record.hpp"

#include <signal.h>

#include "vmm/linux_abi/fault_signal.hpp"

namespace faultline::vmm {

VmaInfo::VmaInfo(const mmu::Vma& vma) : start(vma.start), end(vma.end), flags(vma.flags), pgoff(vma.pgoff) {
  name.assign(vma.name);
}

void FaultRecord::set_outcome(const mmu::FaultOutcome& outcome, const mmu::Vma* deciding_vma) {
  path = outcome.path;
  tlb = outcome.tlb;
  vma.reset();
  if (deciding_vma != nullptr) vma.emplace(*deciding_vma);
  signal = 0;
  si_code = 0;
  signal_address = Gva();
  if (outcome.resolved()) {
    end = outcome.major ? FaultEnd::kMajor : FaultEnd::kMinor;
    return;
  }
  if (origin != mmu::FaultOrigin::kUser) {
    end = FaultEnd::kEfault;
    return;
  }
  if (outcome.result == mmu::FaultResult::kInterrupted || outcome.result == mmu::FaultResult::kVsyscall) {
    end = FaultEnd::kMinor;  // user code goes on, with no signal of this fault's
    return;
  }
  end = FaultEnd::kSignal;
  const linux_abi::FaultSignal sent = linux_abi::fault_signal(outcome.result);
  signal = sent.number;
  si_code = sent.code;
  // A kill has no siginfo that anyone could read.
  if (signal != SIGKILL) signal_address = address;
}

std::string_view name(FaultEnd end) {
  switch (end) {
    case FaultEnd::kMinor: return "minor";
    case FaultEnd::kMajor: return "major";
    case FaultEnd::kSignal: return "signal";
    case FaultEnd::kEfault: return "efault";
  }
  return {};
}

std::string_view name(mmu::FaultOrigin origin) {
  switch (origin) {
    case mmu::FaultOrigin::kUser: return "user";
    case mmu::FaultOrigin::kKernel: return "kernel";
    case mmu::FaultOrigin::kGup: return "gup";
  }
  return {};
}

std::string_view name(mmu::WalkEnd end) {
  switch (end) {
    case mmu::WalkEnd::kMapped: return "mapped";
    case mmu::WalkEnd::kNotPresent: return "not-present";
    case mmu::WalkEnd::kReservedBit: return "reserved-bit";
    case mmu::WalkEnd::kNonCanonical: return "non-canonical";
    case mmu::WalkEnd::kOutsideMemory: return "outside-memory";
  }
  return {};
}

std::string_view name(mmu::TlbAction action) {
  switch (action) {
    case mmu::TlbAction::kNone: return "none";
    case mmu::TlbAction::kGuestFlush: return "guest-flush";
    case mmu::TlbAction::kFrameDrop: return "frame-drop";
    case mmu::TlbAction::kFullDrop: return "full-drop";
  }
  return {};
}

std::string_view signal_name(int signal) {
  switch (signal) {
    case SIGILL: return "SIGILL";
    case SIGTRAP: return "SIGTRAP";
    case SIGABRT: return "SIGABRT";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGKILL: return "SIGKILL";
    case SIGSEGV: return "SIGSEGV";
    case SIGPIPE: return "SIGPIPE";
    case SIGTERM: return "SIGTERM";
    case SIGINT: return "SIGINT";
    case SIGHUP: return "SIGHUP";
    case SIGQUIT: return "SIGQUIT";
    case SIGALRM: return "SIGALRM";
    case SIGUSR1: return "SIGUSR1";
    case SIGUSR2: return "SIGUSR2";
    case SIGSYS: return "SIGSYS";
    case SIGXCPU: return "SIGXCPU";
    case SIGXFSZ: return "SIGXFSZ";
    case SIGSTKFLT: return "SIGSTKFLT";
    default: return {};
  }
}

std::string_view si_code_name(int signal, int si_code) {
  if (si_code == SI_KERNEL) return "SI_KERNEL";
  switch (signal) {
    case SIGSEGV: return si_code == SEGV_MAPERR ? "SEGV_MAPERR" : si_code == SEGV_ACCERR ? "SEGV_ACCERR" : "";
    case SIGBUS: return si_code == BUS_ADRERR ? "BUS_ADRERR" : si_code == BUS_ADRALN ? "BUS_ADRALN" : "";
    case SIGFPE: return si_code == FPE_INTDIV ? "FPE_INTDIV" : si_code == FPE_FLTINV ? "FPE_FLTINV" : "";
    case SIGILL: return si_code == ILL_ILLOPN ? "ILL_ILLOPN" : "";
    case SIGTRAP: return si_code == TRAP_BRKPT ? "TRAP_BRKPT" : si_code == TRAP_TRACE ? "TRAP_TRACE" : "";
    default: return {};
  }
}

}  // namespace faultline::vmm

#include "vmm/linux_abi/fault_signal.hpp"

#include <csignal>

namespace faultline::vmm::linux_abi {

FaultSignal fault_signal(mmu::FaultResult result) {
  switch (result) {
    case mmu::FaultResult::kResolved:
    case mmu::FaultResult::kInterrupted: return {};
    case mmu::FaultResult::kVsyscall:  // where it cannot be emulated
    case mmu::FaultResult::kSegvMapErr: return {SIGSEGV, SEGV_MAPERR};
    case mmu::FaultResult::kSegvAccErr: return {SIGSEGV, SEGV_ACCERR};
    case mmu::FaultResult::kSegvPkuErr: return {SIGSEGV, SEGV_PKUERR};
    case mmu::FaultResult::kBusAdrErr: return {SIGBUS, BUS_ADRERR};
    case mmu::FaultResult::kBusMceErrAr: return {SIGBUS, BUS_MCEERR_AR};
    case mmu::FaultResult::kOutOfMemory:
    case mmu::FaultResult::kPgtableBad:
    case mmu::FaultResult::kOops: return {SIGKILL, 0};
  }
  return {};
}

}  // namespace faultline::vmm::linux_abi

// The signal that user code gets for a fault (Linux arch/x86/mm/fault.c: __bad_area_nosemaphore,
// do_sigbus, pagefault_out_of_memory).
#pragma once

#include "mmu/fault/fault.hpp"

namespace faultline::vmm::linux_abi {

struct FaultSignal {
  int number = 0;  // 0: none
  int code = 0;    // si_code; 0 where the signal kills and nobody can read it
};

[[nodiscard]] FaultSignal fault_signal(mmu::FaultResult result);

}  // namespace faultline::vmm::linux_abi

// What a process has in the vCPU, while another one is there.
#pragma once

#include <cstddef>
#include <vector>

#include "vmm/port/vcpu.hpp"

namespace faultline::vmm::linux_abi {

struct CpuContext {
  UserRegs regs;
  SegmentBases bases;
  std::vector<std::byte> xsave;  // standard format

  // What the vCPU holds now.
  static Result<CpuContext> of(Vcpu& vcpu);
};

// The extended state that a new program finds: SDM vol. 1, "XSAVE-Managed State: Initial".
std::vector<std::byte> initial_xsave(const Vcpu& vcpu);

}  // namespace faultline::vmm::linux_abi

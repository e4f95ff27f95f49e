// Explains why a vCPU cannot go on, from what KVM said and from the state before it.
#pragma once

#include "vmm/kvm/cpu_setup.hpp"
#include "vmm/port/vcpu.hpp"

namespace faultline::vmm::kvm {

struct FatalContext {
  const VcpuFd& vcpu;
  const GuestRam& ram;
  unsigned index = 0;
  mmu::PagingMode mode = mmu::PagingMode::kFourLevel;
  Gpa root;
  const UserRegs& entered_with;  // user code's registers when it was last resumed
};

// The exit in vcpu.run() as an event. Summary: what happened, one line. Detail: user code's last
// known registers, the exception being delivered as far as that can be told, control registers,
// what is wrong with IDT, TSS, GDT and stacks, and the frames on the stacks.
FatalEvent explain_fatal(const FatalContext& context);

}  // namespace faultline::vmm::kvm

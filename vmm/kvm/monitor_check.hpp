// What is wrong with the monitor area, as guest memory shows it: the reasons why an exception
// could not be delivered. For the explanation of a triple fault; needs no KVM.
#pragma once

#include <string>
#include <vector>

#include "vmm/kvm/monitor.hpp"

namespace faultline::vmm::kvm {

// One line a finding, in the order in which the CPU would stumble over them: translation of the
// IDT, gates, GDT, TSS, stubs and stacks. Empty: all is as build_monitor() left it.
std::vector<std::string> check_monitor(const GuestRam& ram, mmu::PagingMode mode, Gpa root, unsigned vcpu);

// "#PF" for 14; "vector 40" beyond the architecture's names. SDM vol. 3A, "Exception and
// Interrupt Vectors".
std::string vector_name(unsigned vector);

}  // namespace faultline::vmm::kvm

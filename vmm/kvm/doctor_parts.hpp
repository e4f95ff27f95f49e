// What doctor.cpp puts together.
#pragma once

#include "vmm/kvm/doctor.hpp"
#include "vmm/kvm/kvm_machine.hpp"

namespace faultline::vmm::kvm {

// Kernel, CPU, memory and huge pages of the host.
void describe_host(const DoctorPaths& paths, DoctorReport& report);
// `error`: why the device could not be opened, remedy included ("what; remedy").
void explain_missing_kvm(const DoctorPaths& paths, const std::string& error, DoctorReport& report);
// Runs the probes and measures on `machine`, whose first vCPU must not be taken yet.
Result<void> probe_machine(KvmMachine& machine, DoctorReport& report);

}  // namespace faultline::vmm::kvm

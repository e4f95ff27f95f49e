// Which backend a guest gets.
#pragma once

#include <memory>

#include "vmm/port/machine.hpp"

namespace faultline::vmm {

// The machine that config.backend names: "kvm", "hosted", or "auto", which is KVM wherever it can
// be opened and hosted elsewhere. Errors: what that backend lacks here, in one line.
Result<std::unique_ptr<Machine>> create_machine(const MachineConfig& config);

}  // namespace faultline::vmm

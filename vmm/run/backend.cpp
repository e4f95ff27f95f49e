#include "vmm/run/backend.hpp"

#include "vmm/hosted/hosted_machine.hpp"
#include "vmm/kvm/kvm_machine.hpp"

namespace faultline::vmm {

Result<std::unique_ptr<Machine>> create_machine(const MachineConfig& config) {
  if (config.backend == "hosted") return create_hosted_machine(config);
  // A KVM that can be opened and then fails is an error to report, not a reason to go on without.
  if (config.backend == "auto" && !kvm::System::open()) return create_hosted_machine(config);
  return create_kvm_machine(config);
}

}  // namespace faultline::vmm

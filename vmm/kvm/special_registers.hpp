// A vCPU's special registers (kvm_sregs: CR3, segments, ...) with as few system calls as KVM allows. With
// KVM_SYNC_X86_SREGS they come in the run area with an exit, and what is changed there KVM takes at the next
// KVM_RUN; otherwise each change is two ioctls, of which each loads and unloads the vCPU. Linux,
// Documentation/virt/kvm/api.rst, "KVM_CAP_SYNC_REGS".
#pragma once

#include "vmm/kvm/system.hpp"

namespace faultline::vmm::kvm {

class SpecialRegisters {
 public:
  // `in_run_area`: this KVM has KVM_SYNC_X86_SREGS. `vcpu` outlives this.
  SpecialRegisters(const VcpuFd& vcpu, bool in_run_area) : vcpu_(vcpu), in_run_area_(in_run_area) {}

  // As the vCPU has them, or will have them before its next instruction.
  [[nodiscard]] Result<kvm_sregs> get() const;
  // In force before the vCPU's next instruction. Those that KVM refuses make KVM_RUN fail.
  Result<void> set(const kvm_sregs& sregs);
  // In force at once. Error: KVM refuses them.
  Result<void> set_now(const kvm_sregs& sregs);

  // Around each KVM_RUN.
  void entering();
  void left();
  // Somebody changed them by an ioctl of his own. Precondition: nothing set() waits for a KVM_RUN.
  void forget() { current_ = false; }
  [[nodiscard]] bool in_run_area() const { return in_run_area_; }
  // For tests: as on a KVM without KVM_SYNC_X86_SREGS. Precondition: as of forget().
  void use_ioctls() {
    in_run_area_ = current_ = false;
    asked_ = 0;
  }

 private:
  // To gather them costs a little at each exit (dozens of VMREADs on VMX), so they are asked for as
  // long as they are changed now and then.
  static constexpr unsigned kEntriesAsked = 32;

  const VcpuFd& vcpu_;
  bool in_run_area_;
  bool current_ = false;  // the run area has them
  unsigned asked_ = 0;    // for so many entries more
};

}  // namespace faultline::vmm::kvm

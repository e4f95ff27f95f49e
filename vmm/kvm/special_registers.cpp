#include "vmm/kvm/special_registers.hpp"

namespace faultline::vmm::kvm {

Result<kvm_sregs> SpecialRegisters::get() const {
  if (current_) return vcpu_.run().s.regs.sregs;
  return vcpu_.sregs();
}

Result<void> SpecialRegisters::set(const kvm_sregs& sregs) {
  if (in_run_area_) asked_ = kEntriesAsked;
  if (!current_) return vcpu_.set_sregs(sregs);
  vcpu_.run().s.regs.sregs = sregs;
  vcpu_.run().kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
  return {};
}

Result<void> SpecialRegisters::set_now(const kvm_sregs& sregs) {
  auto done = vcpu_.set_sregs(sregs);
  if (!done) return done;
  vcpu_.run().kvm_dirty_regs &= ~std::uint64_t{KVM_SYNC_X86_SREGS};
  current_ = false;
  return {};
}

void SpecialRegisters::entering() {
  kvm_run& run = vcpu_.run();
  if (asked_ == 0) {
    run.kvm_valid_regs &= ~std::uint64_t{KVM_SYNC_X86_SREGS};
  } else {
    run.kvm_valid_regs |= KVM_SYNC_X86_SREGS;
    --asked_;
  }
}

void SpecialRegisters::left() { current_ = (vcpu_.run().kvm_valid_regs & KVM_SYNC_X86_SREGS) != 0; }

}  // namespace faultline::vmm::kvm

// The tiny guest on KVM.
#pragma once

#include "tests/vcpu/tiny_guest.hpp"
#include "vmm/kvm/kvm_machine.hpp"

namespace faultline::vmm::testing {

inline Result<std::unique_ptr<TinyGuest>> create_kvm_guest(const MachineConfig& config) {
  return TinyGuest::create_on(create_kvm_machine(config));
}

// Fixture: skips where no machine can be made because there is no KVM.
class KvmTest : public ::testing::Test {
 protected:
  void SetUp() override { make({}); }
  void make(const MachineConfig& config) {
    if (auto system = kvm::System::open(); !system) GTEST_SKIP() << system.error().message;
    auto guest = create_kvm_guest(config);
    ASSERT_TRUE(guest.has_value()) << guest.error().message;
    guest_ = std::move(*guest);
  }
  TinyGuest& guest() { return *guest_; }
  Vcpu& vcpu() { return guest_->vcpu(); }

 private:
  std::unique_ptr<TinyGuest> guest_;
};

}  // namespace faultline::vmm::testing

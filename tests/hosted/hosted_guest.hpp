// The tiny guest on the hosted backend.
#pragma once

#include "tests/vcpu/tiny_guest.hpp"
#include "vmm/hosted/hosted_machine.hpp"

namespace faultline::vmm::testing {

// Fixture: skips where no stub can be started.
class HostedTest : public ::testing::Test {
 protected:
  void SetUp() override { make(); }
  // `limit`: of mappings in the stub; 0: the host's.
  void make(std::uint64_t memory_bytes = 64ULL << 20, std::size_t limit = 0) {
    MachineConfig config;
    config.memory_bytes = memory_bytes;
    auto machine = hosted::HostedMachine::create(config);
    ASSERT_TRUE(machine.has_value()) << machine.error().message;
    if (limit != 0) (*machine)->set_mapping_limit(limit);
    guest_.reset();
    auto guest = TinyGuest::create_on(Result<std::unique_ptr<Machine>>(std::move(*machine)));
    if (!guest) GTEST_SKIP() << guest.error().message;
    guest_ = std::move(*guest);
  }
  TinyGuest& guest() { return *guest_; }
  Vcpu& vcpu() { return guest_->vcpu(); }
  hosted::HostedVcpu& hosted() { return static_cast<hosted::HostedVcpu&>(guest_->vcpu()); }
  hosted::HostedMachine& machine() { return static_cast<hosted::HostedMachine&>(guest_->machine()); }
  void end_guest() { guest_.reset(); }

 private:
  std::unique_ptr<TinyGuest> guest_;
};

}  // namespace faultline::vmm::testing

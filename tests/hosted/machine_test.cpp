// Configurations that only KVM has.
#include "tests/hosted/hosted_guest.hpp"

namespace faultline::vmm::testing {
namespace {

TEST(HostedMachine, ConfigurationsThatOnlyKvmHasAreRefused) {
  MachineConfig five;
  five.mode = mmu::PagingMode::kFiveLevel;
  EXPECT_FALSE(create_hosted_machine(five).has_value());
  MachineConfig sink;
  sink.sink = "shadow";
  EXPECT_FALSE(create_hosted_machine(sink).has_value());
}

}  // namespace
}  // namespace faultline::vmm::testing

// User code and the stubs that the monitor has in the supervisor half.
#include "tests/kvm/kvm_guest.hpp"

namespace faultline::vmm::testing {
namespace {

using Stubs = KvmTest;

// User code that jumps into the stubs gets nowhere. At LSTAR's own address PVM cannot tell it
// from a system call; the stubs do not run either way.
TEST_F(Stubs, JumpsIntoTheStubs) {
  const std::uint64_t stubs = kvm::monitor_address(kvm::kStubFrame).raw();
  for (const std::uint64_t target :
       {stubs, stubs + 14 * FL_STUB_BYTES, stubs + 6, kvm::kResumeStub.raw(), stubs + 0xfff}) {
    guest().load({0xff, 0xe7});  // jmp rdi
    vcpu().edit_regs()[UserRegs::kRdi] = target;
    const auto fault = guest().expect<PageFaultEvent>();
    EXPECT_EQ(fault.address.raw(), target);
    EXPECT_TRUE(fault.error.user() && fault.error.fetch());
    EXPECT_EQ(vcpu().regs().rip, target);
    make({});
  }
  guest().load({0xff, 0xe7});
  vcpu().edit_regs()[UserRegs::kRdi] = kvm::kLstar.raw();
  const auto event = vcpu().run();
  ASSERT_TRUE(event.has_value());
  EXPECT_TRUE(std::holds_alternative<SyscallEvent>(*event) || std::holds_alternative<PageFaultEvent>(*event))
      << TinyGuest::describe(*event);
}

TEST_F(Stubs, MonitorMemoryIsOutOfReach) {
  for (const std::uint64_t frame : {1U, 2U, 8U, 100U}) {
    guest().load({0x48, 0x8b, 0x07});  // mov rax, [rdi]
    const Gva target = kvm::monitor_address(Gfn(frame));
    vcpu().edit_regs()[UserRegs::kRdi] = target.raw();
    const auto fault = guest().expect<PageFaultEvent>();
    EXPECT_EQ(fault.address, target);
    EXPECT_TRUE(fault.error.user());
    EXPECT_FALSE(fault.error.reserved());
    make({});
  }
}

}  // namespace
}  // namespace faultline::vmm::testing

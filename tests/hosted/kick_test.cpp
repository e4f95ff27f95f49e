// kick() of a hosted vCPU: from another thread, before a run, in a storm.
#include <chrono>

#include "tests/hosted/hosted_guest.hpp"
#include "tests/kvm/kicking_thread.hpp"

namespace faultline::vmm::testing {
namespace {

using HostedKick = HostedTest;

TEST_F(HostedKick, StopsASpinningGuest) {
  guest().load({0xeb, 0xfe});  // jmp to itself
  vcpu().edit_regs()[UserRegs::kRbx] = 0xb0b;
  const KickingThread kicks(vcpu());
  for (unsigned i = 0; i < 10; ++i) {
    guest().expect<InterruptedEvent>();
    EXPECT_EQ(vcpu().regs().rip, kCode.raw());
    EXPECT_EQ(vcpu().regs()[UserRegs::kRbx], 0xb0bU);
  }
}

// From the first instruction on, whichever thread of the stub was faster.
TEST_F(HostedKick, StopsEveryFreshGuest) {
  for (unsigned i = 0; i < 50; ++i) {
    guest().load({0xeb, 0xfe});
    {
      const KickingThread kicks(vcpu());
      guest().expect<InterruptedEvent>();
    }
    if (HasFailure()) return;
    make();
  }
}

TEST_F(HostedKick, SeveralKicksBeforeTheRunAreOne) {
  guest().load({0x0f, 0x05});
  for (unsigned i = 0; i < 5; ++i) vcpu().kick();
  guest().expect<InterruptedEvent>();
  guest().expect<SyscallEvent>();
}

TEST_F(HostedKick, RegistersEditedWhileInterruptedAreInForce) {
  // jmp to itself; (at 2) syscall
  guest().load({0xeb, 0xfe, 0x0f, 0x05});
  {
    const KickingThread kicks(vcpu());
    guest().expect<InterruptedEvent>();
  }
  UserRegs& r = vcpu().edit_regs();
  r.rip = kCode.raw() + 2;
  r[UserRegs::kRax] = 60;
  r[UserRegs::kRsp] = 0x1234'5678;
  auto event = vcpu().run();
  ASSERT_TRUE(event.has_value());
  if (std::holds_alternative<InterruptedEvent>(*event)) event = vcpu().run();  // a kick was left
  ASSERT_TRUE(std::holds_alternative<SyscallEvent>(*event)) << TinyGuest::describe(*event);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 60U);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRsp], 0x1234'5678U);
}

// Kicks hit guest code, the handler and the way back: no system call is lost or doubled.
TEST_F(HostedKick, InAStormNothingIsLost) {
  // inc rbx; syscall; jmp back
  guest().load({0x48, 0xff, 0xc3, 0x0f, 0x05, 0xeb, 0xf9});
  const KickingThread kicks(vcpu(), std::chrono::microseconds(50));
  unsigned interrupted = 0;
  for (std::uint64_t calls = 1; calls <= 5000;) {
    const auto event = vcpu().run();
    ASSERT_TRUE(event.has_value());
    if (std::holds_alternative<InterruptedEvent>(*event)) {
      ++interrupted;
      continue;
    }
    ASSERT_TRUE(std::holds_alternative<SyscallEvent>(*event)) << TinyGuest::describe(*event);
    ASSERT_EQ(vcpu().regs()[UserRegs::kRbx], calls);
    ++calls;
  }
  EXPECT_GT(interrupted, 0U);
}

}  // namespace
}  // namespace faultline::vmm::testing

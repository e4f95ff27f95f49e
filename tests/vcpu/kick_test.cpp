// kick(): from another thread, before a run, in a storm.
#include <chrono>
#include <csignal>

#include <sys/time.h>

#include "tests/vcpu/kicking_thread.hpp"
#include "tests/vcpu/vcpu_test.hpp"

namespace faultline::vmm::testing {
namespace {

using namespace std::chrono_literals;
class Kick : public VcpuTest {};
FL_ON_EVERY_BACKEND(Kick);

TEST_P(Kick, StopsASpinningGuest) {
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
TEST_P(Kick, StopsEveryFreshGuest) {
  for (unsigned i = 0; i < 20; ++i) {
    guest().load({0xeb, 0xfe});
    {
      const KickingThread kicks(vcpu());
      guest().expect<InterruptedEvent>();
    }
    if (HasFailure()) return;
    make();
  }
}

TEST_P(Kick, BeforeTheRunCountsToo) {
  guest().load({0x0f, 0x05});
  vcpu().kick();
  guest().expect<InterruptedEvent>();
  guest().expect<SyscallEvent>();  // once only
}

TEST_P(Kick, SeveralKicksAreOne) {
  guest().load({0x0f, 0x05});
  for (unsigned i = 0; i < 5; ++i) vcpu().kick();
  guest().expect<InterruptedEvent>();
  guest().expect<SyscallEvent>();
}

TEST_P(Kick, RegistersEditedWhileInterruptedAreInForce) {
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

// Signals hit the way in, user code, the stubs and the way back: nothing may be lost or doubled.
TEST_P(Kick, AStormLosesNoEvent) {
  // loop: inc rbx; syscall; mov [rdi], rbx; add rdi, 0x1000; jmp loop
  guest().load({0x48, 0xff, 0xc3, 0x0f, 0x05, 0x48, 0x89, 0x1f, 0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, 0xeb, 0xef});
  constexpr Gva kFirst{0x1000'0000};
  vcpu().edit_regs()[UserRegs::kRdi] = kFirst.raw();
  const KickingThread kicks(vcpu(), 50us);
  std::uint64_t interrupted = 0;
  std::uint64_t calls = 0;
  std::uint64_t faults = 0;
  std::byte* page = nullptr;
  // Where time is virtual a fault takes next to none of it: on until a kick has come.
  while (faults < 300 || (interrupted == 0 && faults < 30'000)) {
    const auto event = vcpu().run();
    ASSERT_TRUE(event.has_value()) << event.error().message;
    if (std::holds_alternative<InterruptedEvent>(*event)) {
      ++interrupted;
      vcpu().edit_regs()[UserRegs::kR12] = interrupted;
    } else if (std::holds_alternative<SyscallEvent>(*event)) {
      ++calls;
      ASSERT_EQ(vcpu().regs()[UserRegs::kRbx], calls);
      std::uint64_t stored = 0;
      if (page != nullptr) std::memcpy(&stored, page, sizeof stored);
      ASSERT_EQ(stored, calls - 1);
    } else {
      const auto* fault = std::get_if<PageFaultEvent>(&*event);
      ASSERT_NE(fault, nullptr) << TinyGuest::describe(*event);
      ASSERT_EQ(fault->address.raw(), kFirst.raw() + faults * kPageSize);
      page = guest().map(fault->address);
      ++faults;
    }
    ASSERT_EQ(vcpu().regs()[UserRegs::kR12], interrupted);
  }
  EXPECT_GT(interrupted, 0U);
}

TEST_P(Kick, FromASignalHandlerOnTheSameThread) {
  static Vcpu* target = nullptr;
  guest().load({0xeb, 0xfe});
  target = &vcpu();
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { target->kick(); };
  ASSERT_EQ(::sigaction(SIGALRM, &action, &before), 0);
  const itimerval once{{0, 0}, {0, 20'000}};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &once, nullptr), 0);
  guest().expect<InterruptedEvent>();
  ::sigaction(SIGALRM, &before, nullptr);
}

}  // namespace
}  // namespace faultline::vmm::testing

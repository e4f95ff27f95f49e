// Faults and system calls, there and back.
#include "tests/kvm/tiny_guest.hpp"

namespace faultline::vmm::testing {
namespace {

using RoundTrip = TinyGuestTest;

TEST_F(RoundTrip, PageFaultArrivesAndIsResumed) {
  // mov [rdi], rax; syscall
  guest().load({0x48, 0x89, 0x07, 0x0f, 0x05});
  constexpr Gva kHole{0x60'0123};
  vcpu().edit_regs()[UserRegs::kRdi] = kHole.raw();
  vcpu().edit_regs()[UserRegs::kRax] = 0x1122'3344'5566'7788;
  const auto fault = guest().expect<PageFaultEvent>();
  EXPECT_EQ(fault.address, kHole);
  EXPECT_EQ(fault.error.raw(), mmu::ErrorCode::kWrite | mmu::ErrorCode::kUser);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw());
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 0x1122'3344'5566'7788U);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRsp], kStack.raw() - 64);

  std::byte* page = guest().map(kHole.page_base());
  guest().expect<SyscallEvent>();
  std::uint64_t stored = 0;
  std::memcpy(&stored, page + 0x123, sizeof stored);
  EXPECT_EQ(stored, 0x1122'3344'5566'7788U);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + 3 + kSyscallBytes);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 0x1122'3344'5566'7788U);
}

TEST_F(RoundTrip, EveryRegisterSurvivesAFault) {
  // mov rax, [0x600000]; syscall
  guest().load({0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00, 0x0f, 0x05});
  UserRegs& r = vcpu().edit_regs();
  for (unsigned i = 0; i < 16; ++i) r[i] = 0x0101'0101'0101'0101ULL * (i + 1);
  r.rflags = 0x202 | 0x8d5;  // OF SF ZF AF PF CF
  const UserRegs before = r;
  guest().expect<PageFaultEvent>();
  constexpr std::uint64_t kResumeFlag = 1U << 16;  // the CPU sets RF in what a fault pushes
  for (unsigned i = 0; i < 16; ++i) EXPECT_EQ(vcpu().regs()[i], before[i]) << "register " << i;
  EXPECT_EQ(vcpu().regs().rflags & ~kResumeFlag, before.rflags);

  guest().map(Gva(0x60'0000));
  guest().expect<SyscallEvent>();
  for (unsigned i = 1; i < 16; ++i) {
    if (i == UserRegs::kRcx || i == UserRegs::kR11) continue;  // SYSCALL's
    EXPECT_EQ(vcpu().regs()[i], before[i]) << "register " << i;
  }
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 0U);
  EXPECT_EQ(vcpu().regs().rflags & ~kResumeFlag, before.rflags);
}

TEST_F(RoundTrip, SystemCallReturnsWhatTheHostSays) {
  // syscall; mov rbx, rax; syscall
  guest().load({0x0f, 0x05, 0x48, 0x89, 0xc3, 0x0f, 0x05});
  vcpu().edit_regs()[UserRegs::kRax] = 39;
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 39U);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + kSyscallBytes);
  vcpu().edit_regs()[UserRegs::kRax] = 4711;
  // Not what SYSRET could do: RCX and R11 as well (rt_sigreturn).
  vcpu().edit_regs()[UserRegs::kRcx] = 0xc0ffee;
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRbx], 4711U);
}

TEST_F(RoundTrip, RegistersCanAllBeReplaced) {
  // syscall; (elsewhere) syscall
  guest().load({0x0f, 0x05, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x0f, 0x05});
  guest().expect<SyscallEvent>();
  UserRegs& r = vcpu().edit_regs();
  for (unsigned i = 0; i < 16; ++i) r[i] = 0x1000 + i;
  r.rip = kCode.raw() + 8;
  r.rflags = 0x202 | 1;
  guest().expect<SyscallEvent>();
  for (unsigned i = 0; i < 16; ++i) {
    if (i == UserRegs::kRcx || i == UserRegs::kR11) continue;
    EXPECT_EQ(vcpu().regs()[i], 0x1000U + i) << "register " << i;
  }
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + 8 + kSyscallBytes);
  EXPECT_EQ(vcpu().regs().rflags, 0x203U);
}

}  // namespace
}  // namespace faultline::vmm::testing

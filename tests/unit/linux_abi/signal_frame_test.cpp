#include "vmm/linux_abi/signal_frame.hpp"

#include <ucontext.h>

#include <cstddef>

#include "tests/unit/linux_abi/task_fixture.hpp"

namespace faultline::test {
namespace {

using vmm::UserRegs;

// Our layout against the C library's, whose ucontext begins as the kernel's does.
static_assert(offsetof(abi::KernelUcontext, stack) == offsetof(ucontext_t, uc_stack));
static_assert(offsetof(abi::KernelUcontext, mcontext) == offsetof(ucontext_t, uc_mcontext));
static_assert(offsetof(abi::KernelUcontext, sigmask) == offsetof(ucontext_t, uc_sigmask));
constexpr std::size_t reg(int index) { return offsetof(mcontext_t, gregs) + static_cast<std::size_t>(index) * 8; }
static_assert(offsetof(abi::SigContext, r8) == reg(REG_R8) && offsetof(abi::SigContext, r15) == reg(REG_R15));
static_assert(offsetof(abi::SigContext, rdi) == reg(REG_RDI) && offsetof(abi::SigContext, rsi) == reg(REG_RSI));
static_assert(offsetof(abi::SigContext, rbp) == reg(REG_RBP) && offsetof(abi::SigContext, rbx) == reg(REG_RBX));
static_assert(offsetof(abi::SigContext, rdx) == reg(REG_RDX) && offsetof(abi::SigContext, rax) == reg(REG_RAX));
static_assert(offsetof(abi::SigContext, rcx) == reg(REG_RCX) && offsetof(abi::SigContext, rsp) == reg(REG_RSP));
static_assert(offsetof(abi::SigContext, rip) == reg(REG_RIP) && offsetof(abi::SigContext, eflags) == reg(REG_EFL));
static_assert(offsetof(abi::SigContext, cs) == reg(REG_CSGSFS) && offsetof(abi::SigContext, err) == reg(REG_ERR));
static_assert(offsetof(abi::SigContext, trapno) == reg(REG_TRAPNO) && offsetof(abi::SigContext, cr2) == reg(REG_CR2));
static_assert(offsetof(abi::SigContext, oldmask) == reg(REG_OLDMASK));
static_assert(offsetof(abi::SigContext, fpstate) == offsetof(mcontext_t, fpregs));

class SignalFrame : public TaskTest {
 protected:
  static constexpr std::uint64_t kHandler = 0x402000, kRestorer = 0x403000;

  SignalFrame() {
    UserRegs& r = vcpu.edit_regs();
    for (unsigned i = 0; i < 16; ++i) r[i] = 0x1111 * (i + 1);
    r[UserRegs::kRsp] = kRsp;
    r.rip = 0x401234;
    r.rflags = 0x202 | 0x400;  // DF set
    request.signo = SIGSEGV;
    request.action = {kHandler, SA_SIGINFO | abi::kSaRestorer, kRestorer, 0};
    request.signal = &signal;
    request.saved_mask = abi::SignalSet::of(SIGUSR2);
    request.trap = {14, 6, 0xdead000};
  }
  bool push() { return abi::push_signal_frame(mm(), vcpu, request); }
  abi::RtSigframe frame() { return get<abi::RtSigframe>(vcpu.regs()[UserRegs::kRsp]); }
  // What the handler's `ret` does: pops the return address, then rt_sigreturn.
  bool pop() {
    vcpu.edit_regs()[UserRegs::kRsp] += 8;
    return abi::pop_signal_frame(mm(), vcpu, restored);
  }

  static constexpr std::uint64_t kRsp = kScratch + 8 * kPageSize + 0x123;
  abi::SignalInfo signal = abi::SignalInfo::fault(SIGSEGV, SEGV_MAPERR, 0xdead000, {14, 6, 0xdead000});
  abi::FrameRequest request;
  abi::RestoredFrame restored;
};

TEST_F(SignalFrame, EntersTheHandlerAsTheAbiWants) {
  ASSERT_TRUE(push());
  const UserRegs& r = vcpu.regs();
  EXPECT_EQ(r.rip, kHandler);
  EXPECT_EQ(r[UserRegs::kRdi], static_cast<std::uint64_t>(SIGSEGV));
  EXPECT_EQ(r[UserRegs::kRdx], r[UserRegs::kRsp] + 8);
  EXPECT_EQ(r[UserRegs::kRsi], r[UserRegs::kRsp] + 8 + sizeof(abi::KernelUcontext));
  EXPECT_EQ(r[UserRegs::kRax], 0u);
  EXPECT_EQ(r[UserRegs::kRsp] % 16, 8u);
  EXPECT_LT(r[UserRegs::kRsp] + sizeof(abi::RtSigframe), kRsp - 128);  // the red zone is kept
  EXPECT_EQ(r.rflags & 0x400, 0u);
}

TEST_F(SignalFrame, RecordsRegistersTrapAndMask) {
  ASSERT_TRUE(push());
  const auto f = frame();
  EXPECT_EQ(f.pretcode, kRestorer);
  EXPECT_EQ(f.uc.flags, 7u);
  EXPECT_EQ(f.uc.sigmask, abi::SignalSet::of(SIGUSR2).raw());
  const abi::SigContext& c = f.uc.mcontext;
  EXPECT_EQ(c.rax, 0x1111u);
  EXPECT_EQ(c.rcx, 0x2222u);
  EXPECT_EQ(c.rdi, 0x8888u);
  EXPECT_EQ(c.r8, 0x9999u);
  EXPECT_EQ(c.r15, 0x11110u);
  EXPECT_EQ(c.rsp, kRsp);
  EXPECT_EQ(c.rip, 0x401234u);
  EXPECT_EQ(c.eflags, 0x602u);
  EXPECT_EQ(c.cs, 0x33);
  EXPECT_EQ(c.ss, 0x2b);
  EXPECT_EQ(c.err, 6u);
  EXPECT_EQ(c.trapno, 14u);
  EXPECT_EQ(c.cr2, 0xdead000u);
  EXPECT_EQ(f.info.si_signo, SIGSEGV);
  EXPECT_EQ(f.info.si_code, SEGV_MAPERR);
  EXPECT_EQ(f.info.si_addr, reinterpret_cast<void*>(0xdead000));
}

TEST_F(SignalFrame, CarriesFpStateThatProgramsRecognise) {
  ASSERT_TRUE(push());
  const std::uint64_t fp = frame().uc.mcontext.fpstate;
  EXPECT_EQ(fp % 64, 0u);
  EXPECT_EQ(get<std::uint16_t>(fp), 0x37f);
  EXPECT_EQ(get<std::uint32_t>(fp + 464), abi::kFpXstateMagic1);
  EXPECT_EQ(get<std::uint32_t>(fp + 468), FakeVcpu::kXsaveBytes + 4);
  EXPECT_EQ(get<std::uint64_t>(fp + 472), FakeVcpu::kFeatures);
  EXPECT_EQ(get<std::uint32_t>(fp + 480), FakeVcpu::kXsaveBytes);
  EXPECT_EQ(get<std::uint32_t>(fp + FakeVcpu::kXsaveBytes), abi::kFpXstateMagic2);
}

TEST_F(SignalFrame, RoundTripRestoresEverything) {
  vcpu.xsave[160] = std::byte{0x5a};  // XMM0
  vcpu.xsave[512] = std::byte{7};
  vcpu.xsave[576] = std::byte{0xa5};  // YMM0, upper half
  const auto xsave = vcpu.xsave;
  const UserRegs before = vcpu.regs();
  ASSERT_TRUE(push());
  vcpu.edit_regs().gpr[3] = 99;
  vcpu.xsave.assign(vcpu.xsave.size(), std::byte{0});
  ASSERT_TRUE(pop());
  EXPECT_EQ(vcpu.regs().gpr, before.gpr);
  EXPECT_EQ(vcpu.regs().rip, before.rip);
  EXPECT_EQ(vcpu.regs().rflags, before.rflags);
  EXPECT_EQ(restored.blocked, abi::SignalSet::of(SIGUSR2));
  EXPECT_EQ(vcpu.xsave, xsave);
}

TEST_F(SignalFrame, WithoutSiginfoOnlyTheContextIsWritten) {
  request.action.flags &= ~std::uint64_t{SA_SIGINFO};
  ASSERT_TRUE(push());
  EXPECT_EQ(frame().info.si_signo, 0);
  EXPECT_EQ(frame().uc.mcontext.rip, 0x401234u);
}

TEST_F(SignalFrame, FlagsOfTheKernelCannotBeForged) {
  ASSERT_TRUE(push());
  const std::uint64_t flags_at = vcpu.regs()[UserRegs::kRsp] + offsetof(abi::RtSigframe, uc.mcontext.eflags);
  put<std::uint64_t>(flags_at, ~0ULL & ~0x100ULL);  // IOPL 3, IF, NT, VM and all
  ASSERT_TRUE(pop());
  EXPECT_EQ(vcpu.regs().rflags & ~0x50cd5ULL, 0x202u);
}

TEST_F(SignalFrame, UsesTheAlternateStack) {
  request.action.flags |= SA_ONSTACK;
  request.alternate = {kScratch, 0, 0, 4 * kPageSize};
  ASSERT_TRUE(push());
  EXPECT_GT(vcpu.regs()[UserRegs::kRsp], kScratch);
  EXPECT_LT(vcpu.regs()[UserRegs::kRsp], kScratch + 4 * kPageSize);
  EXPECT_EQ(frame().uc.stack.size, 4 * kPageSize);
}

TEST_F(SignalFrame, DoesNotOverflowTheAlternateStack) {
  request.action.flags |= SA_ONSTACK;
  request.alternate = {kScratch + kPageSize, 0, 0, 1024};
  const UserRegs before = vcpu.regs();
  EXPECT_FALSE(push());
  EXPECT_EQ(vcpu.regs().gpr, before.gpr);
}

TEST_F(SignalFrame, FailsWhereNothingCanBeWritten) {
  vcpu.edit_regs()[UserRegs::kRsp] = kScratch + kScratchBytes + (1 << 20);
  EXPECT_FALSE(push());
  vcpu.edit_regs()[UserRegs::kRsp] = 8;  // wraps around
  EXPECT_FALSE(push());
  vcpu.edit_regs()[UserRegs::kRsp] = ~0ULL;
  EXPECT_FALSE(push());
}

TEST_F(SignalFrame, NeedsARestorerAndACanonicalHandler) {
  request.action.flags &= ~abi::kSaRestorer;
  EXPECT_FALSE(push());
  request.action.flags |= abi::kSaRestorer;
  request.action.handler = 1ULL << 60;
  EXPECT_FALSE(push());
}

TEST_F(SignalFrame, BadFramesAreRefused) {
  ASSERT_TRUE(push());
  const std::uint64_t at = vcpu.regs()[UserRegs::kRsp];
  const auto good = frame();
  const auto with = [&](auto change) {
    auto f = good;
    change(f.uc.mcontext);
    put(at, f);
    vcpu.edit_regs()[UserRegs::kRsp] = at;
    return pop();
  };
  EXPECT_FALSE(with([](auto& c) { c.rip = 1ULL << 60; }));
  EXPECT_FALSE(with([](auto& c) { c.fpstate = 0x1000; }));
  EXPECT_FALSE(with([](auto& c) { c.fpstate = ~0ULL; }));
  EXPECT_TRUE(with([](auto& c) { c.fpstate = 0; }));  // no FP state: the initial one
  EXPECT_EQ(vcpu.xsave[0], std::byte{0x7f});
  vcpu.edit_regs()[UserRegs::kRsp] = kScratch + kScratchBytes;
  EXPECT_FALSE(abi::pop_signal_frame(mm(), vcpu, restored));
}

TEST_F(SignalFrame, ForgedFpStateIsRefused) {
  ASSERT_TRUE(push());
  const std::uint64_t at = vcpu.regs()[UserRegs::kRsp], fp = frame().uc.mcontext.fpstate;
  put<std::uint32_t>(fp + 24, 0xffff0000);  // reserved MXCSR bits
  EXPECT_FALSE(pop());
  put<std::uint32_t>(fp + 24, 0x1f80);
  put<std::uint64_t>(fp + 520, 1);  // XCOMP_BV
  vcpu.edit_regs()[UserRegs::kRsp] = at;
  EXPECT_FALSE(pop());
  put<std::uint64_t>(fp + 520, 0);
  put<std::uint64_t>(fp + 472, ~0ULL);
  put<std::uint64_t>(fp + 512, 1ULL << 40);  // a feature that is not there
  vcpu.edit_regs()[UserRegs::kRsp] = at;
  EXPECT_FALSE(pop());
}

TEST_F(SignalFrame, WithoutTheSecondMagicOnlyX87AndSseCount) {
  vcpu.xsave[512] = std::byte{7};
  vcpu.xsave[576] = std::byte{0xa5};
  ASSERT_TRUE(push());
  put<std::uint32_t>(frame().uc.mcontext.fpstate + FakeVcpu::kXsaveBytes, 0);
  ASSERT_TRUE(pop());
  EXPECT_EQ(vcpu.xsave[512], std::byte{3});
  EXPECT_EQ(vcpu.xsave[576], std::byte{0});
}

TEST(SignalStack, KnowsWhenItIsInUse) {
  const abi::KernelStack stack{0x1000, 0, 0, 0x1000};
  EXPECT_EQ(abi::alternate_stack_flags(stack, 0x1800), SS_ONSTACK);
  EXPECT_EQ(abi::alternate_stack_flags(stack, 0x2000), SS_ONSTACK);  // empty, but in use
  EXPECT_EQ(abi::alternate_stack_flags(stack, 0x1000), 0);
  EXPECT_EQ(abi::alternate_stack_flags(stack, 0x2001), 0);
  EXPECT_EQ(abi::alternate_stack_flags({}, 0x1800), SS_DISABLE);
  EXPECT_EQ(abi::alternate_stack_flags({0x1000, abi::kSsAutoDisarm, 0, 0x1000}, 0x1800), 0);
}

TEST(SignalStack, MinimumIsWhatLinuxTellsForThisXsaveSize) {
  EXPECT_EQ(abi::min_signal_stack(11008), 0x2eb0u);  // seen in AT_MINSIGSTKSZ of a machine with AMX
}

}  // namespace
}  // namespace faultline::test

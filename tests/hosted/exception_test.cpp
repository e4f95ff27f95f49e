// Exceptions of hosted user code: the same vectors as on KVM.
#include "tests/hosted/hosted_guest.hpp"

namespace faultline::vmm::testing {
namespace {

using HostedExceptions = HostedTest;

constexpr std::uint64_t kTrapFlag = 1U << 8;

struct Case {
  const char* name;
  std::vector<unsigned> code;
  unsigned vector;
  std::uint32_t error_code;
  std::uint64_t rip_offset;  // a fault points at its instruction, a trap behind it
};
class HostedExceptionCases : public HostedTest, public ::testing::WithParamInterface<Case> {};

TEST_P(HostedExceptionCases, ArrivesWithItsVector) {
  const Case& c = GetParam();
  guest().load(c.code);
  vcpu().edit_regs()[UserRegs::kRax] = 0x5555;
  const auto event = guest().expect<ExceptionEvent>();
  EXPECT_EQ(event.vector, c.vector);
  EXPECT_EQ(event.error_code, c.error_code);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + c.rip_offset);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 0x5555U);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRsp], kStack.raw() - 64);
  const auto again = guest().expect<ExceptionEvent>();
  if (c.rip_offset == 0) {
    EXPECT_EQ(again.vector, c.vector);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, HostedExceptionCases,
    ::testing::Values(Case{"DE", {0xf7, 0xf1}, 0, 0, 0},                         // div ecx (0)
                      Case{"UD", {0x0f, 0x0b}, 6, 0, 0},                         // ud2
                      Case{"BP", {0xcc, 0x0f, 0x0b}, 3, 0, 1},                   // int3
                      Case{"HLT", {0xf4}, 13, 0, 0},                             // hlt
                      Case{"CLI", {0xfa}, 13, 0, 0},                             // cli
                      Case{"OUT", {0xe6, 0xce}, 13, 0, 0},                       // out 0xce, al
                      Case{"MOVCR3", {0x0f, 0x22, 0xd8}, 13, 0, 0},              // mov cr3, rax
                      Case{"WRMSR", {0x0f, 0x30}, 13, 0, 0},                     // wrmsr
                      Case{"INT80", {0xcd, 0x80}, 13, 0x402, 0},                 // int 0x80
                      Case{"INT81", {0xcd, 0x81}, 13, 0x40a, 0},                 // int 0x81
                      Case{"DBICEBP", {0xf1, 0x0f, 0x0b}, 1, 0, 1},              // int1
                      Case{"MOVAPS", {0x0f, 0x28, 0x44, 0x24, 0x01}, 13, 0, 0},  // movaps xmm0, [rsp+1]
                      Case{"BADDS", {0xb8, 0x55, 0x55, 0x00, 0x00, 0x8e, 0xd8}, 13, 0x5554, 5}),  // mov ds, ax
    [](const auto& c) { return c.param.name; });

TEST_F(HostedExceptions, NonCanonicalAccessAndJump) {
  for (const std::vector<unsigned>& code : {std::vector<unsigned>{0x48, 0x8b, 0x07}, {0xff, 0xe7}}) {
    guest().load(code);
    vcpu().edit_regs()[UserRegs::kRdi] = 0x8000'0000'0000'0000;
    EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 13);
    make();
  }
}

TEST_F(HostedExceptions, ResumeAtANonCanonicalAddressIsAProtectionFault) {
  guest().load({0x0f, 0x05});
  vcpu().edit_regs().rip = 0xdead'0000'0000'0000;
  EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 13);
  EXPECT_EQ(vcpu().regs().rip, 0xdead'0000'0000'0000U);
  vcpu().edit_regs().rip = kCode.raw();
  guest().expect<SyscallEvent>();
}

TEST_F(HostedExceptions, KernelAddressesFault) {
  constexpr Gva kKernel{0xffff'8000'0000'0000};
  for (const std::vector<unsigned>& code : {std::vector<unsigned>{0x8a, 0x07}, {0x88, 0x07}, {0xff, 0xe7}}) {
    guest().load(code);
    vcpu().edit_regs()[UserRegs::kRdi] = kKernel.raw();
    const auto fault = guest().expect<PageFaultEvent>();
    EXPECT_EQ(fault.address, kKernel);
    EXPECT_TRUE(fault.error.user() && !fault.error.present());
    EXPECT_EQ(fault.error.write(), code[0] == 0x88);
    EXPECT_EQ(fault.error.fetch(), code[0] == 0xff);
    make();
  }
}

// The host has code there, for programs of long ago; the guest has not.
TEST_F(HostedExceptions, TheVsyscallPageIsNotThere) {
  guest().load({0xff, 0xd7});  // call rdi
  vcpu().edit_regs()[UserRegs::kRdi] = 0xffff'ffff'ff60'0000;
  const auto fault = guest().expect<PageFaultEvent>();
  EXPECT_EQ(fault.address.raw(), 0xffff'ffff'ff60'0000U);
  EXPECT_TRUE(fault.error.fetch());
  EXPECT_EQ(vcpu().regs().rip, 0xffff'ffff'ff60'0000U);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRsp], kStack.raw() - 64 - 8);
}

TEST_F(HostedExceptions, SingleStepByTheTrapFlag) {
  guest().load({0x90, 0x90, 0x90});
  vcpu().edit_regs().rflags |= kTrapFlag;
  for (unsigned i = 1; i <= 3; ++i) {
    EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 1);
    EXPECT_EQ(vcpu().regs().rip, kCode.raw() + i);
    EXPECT_NE(vcpu().regs().rflags & kTrapFlag, 0U);
  }
}

TEST_F(HostedExceptions, TheTrapFlagDoesNotDisturbASystemCall) {
  guest().load({0x0f, 0x05, 0x90, 0x90});
  vcpu().edit_regs().rflags |= kTrapFlag;
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + kSyscallBytes);
  EXPECT_NE(vcpu().regs().rflags & kTrapFlag, 0U);
  EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 1);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + kSyscallBytes + 1);
}

TEST_F(HostedExceptions, FloatingPointErrors) {
  // fld1; mov word [rdi], 0; fldcw [rdi]; fldz; fdivp; fwait
  guest().load({0xd9, 0xe8, 0x66, 0xc7, 0x07, 0x00, 0x00, 0xd9, 0x2f, 0xd9, 0xee, 0xde, 0xf9, 0x9b, 0x0f, 0x05});
  vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 16);
  make();
  // mov dword [rdi], 0x1d80 (#Z unmasked); ldmxcsr [rdi]; mov eax, 0x3f800000; movd xmm1, eax;
  // xorps xmm0, xmm0; divss xmm1, xmm0
  guest().load({0xc7, 0x07, 0x80, 0x1d, 0x00, 0x00, 0x0f, 0xae, 0x17, 0xb8, 0x00, 0x00, 0x80, 0x3f,
                0x66, 0x0f, 0x6e, 0xc8, 0x0f, 0x57, 0xc0, 0xf3, 0x0f, 0x5e, 0xc8, 0x0f, 0x05});
  vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 19);
}

TEST_F(HostedExceptions, AlignmentCheck) {
  guest().load({0x48, 0x8b, 0x47, 0x01, 0x0f, 0x05});  // mov rax, [rdi+1]; syscall
  vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  vcpu().edit_regs().rflags |= 1U << 18;
  EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 17);
}

TEST_F(HostedExceptions, FlagsThatUserCodeMayNotHaveAreDropped) {
  guest().load({0x9c, 0x58, 0x0f, 0x05});                 // pushf; pop rax; syscall
  vcpu().edit_regs().rflags = ~(kTrapFlag | 1ULL << 18);  // everything but TF and AC
  guest().expect<SyscallEvent>();
  const std::uint64_t flags = vcpu().regs()[UserRegs::kRax];
  EXPECT_EQ(flags & (3U << 12), 0U) << "IOPL";
  EXPECT_EQ(flags & (1U << 17 | 1U << 19 | 1U << 20), 0U) << "VM, VIF, VIP";
  EXPECT_NE(flags & (1U << 9), 0U) << "IF";
}

TEST_F(HostedExceptions, AWildStackPointerIsTheGuestsOwnAffair) {
  for (const std::uint64_t rsp : std::initializer_list<std::uint64_t>{0, 8, 0x8000'0000'0000'0000, ~0ULL}) {
    guest().load({0xc6, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00, 0x01});  // mov byte [0x600000], 1
    vcpu().edit_regs()[UserRegs::kRsp] = rsp;
    EXPECT_EQ(guest().expect<PageFaultEvent>().address.raw(), 0x60'0000U);
    EXPECT_EQ(vcpu().regs()[UserRegs::kRsp], rsp);
    make();
  }
}

}  // namespace
}  // namespace faultline::vmm::testing

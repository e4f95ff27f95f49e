// Exceptions of user code, and user code that means no good.
#include <tuple>

#include "tests/vcpu/kicking_thread.hpp"
#include "tests/vcpu/vcpu_test.hpp"

namespace faultline::vmm::testing {
namespace {

class Exceptions : public VcpuTest {};
FL_ON_EVERY_BACKEND(Exceptions);

constexpr std::uint64_t kTrapFlag = 1U << 8;

// QEMU's TCG before 9.1 reads the stack of IRET and RETF at CPL3 as supervisor: with SMAP on,
// that is a #PF without U where the instruction should have said #GP.
bool far_return_of_tcg(const VcpuEvent& event) {
  const auto* fault = std::get_if<PageFaultEvent>(&event);
  return fault != nullptr && !fault->error.user();
}
constexpr const char* kBochs = "this CPU (Bochs) traps before the first instruction behind an IRETQ that sets TF";
constexpr const char* kNoSingleStep = "this backend has no single step by the trap flag";
constexpr const char* kTcg = "this CPU (QEMU TCG) does not do as the SDM has it";

struct Case {
  const char* name;
  std::vector<unsigned> code;
  unsigned vector;
  std::uint32_t error_code;
  std::uint64_t rip_offset;  // a fault points at its instruction, a trap behind it
};

class ExceptionCases : public OnBackend, public ::testing::WithParamInterface<std::tuple<const char*, Case>> {
 protected:
  void SetUp() override { make_on(std::get<0>(GetParam())); }
};

TEST_P(ExceptionCases, ArrivesWithItsVector) {
  const Case& c = std::get<1>(GetParam());
  guest().load(c.code);
  vcpu().edit_regs()[UserRegs::kRax] = 0x5555;
  const auto result = vcpu().run();
  ASSERT_TRUE(result.has_value()) << result.error().message;
  if (far_return_of_tcg(*result)) GTEST_SKIP() << kTcg;
  ASSERT_TRUE(std::holds_alternative<ExceptionEvent>(*result)) << TinyGuest::describe(*result);
  const auto event = std::get<ExceptionEvent>(*result);
  EXPECT_EQ(event.vector, c.vector);
  EXPECT_EQ(event.error_code, c.error_code);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + c.rip_offset);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 0x5555U);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRsp], kStack.raw() - 64);
  // And the vCPU goes on: the same again.
  const auto again = guest().expect<ExceptionEvent>();
  if (c.rip_offset == 0) {
    EXPECT_EQ(again.vector, c.vector);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ExceptionCases,
    ::testing::Combine(
        ::testing::Values("kvm", "hosted"),
        ::testing::Values(Case{"DE", {0xf7, 0xf1}, 0, 0, 0},                         // div ecx (0)
                          Case{"UD", {0x0f, 0x0b}, 6, 0, 0},                         // ud2
                          Case{"BP", {0xcc, 0x0f, 0x0b}, 3, 0, 1},                   // int3
                          Case{"HLT", {0xf4}, 13, 0, 0},                             // hlt
                          Case{"CLI", {0xfa}, 13, 0, 0},                             // cli
                          Case{"OUT", {0xe6, 0xce}, 13, 0, 0},                       // out 0xce, al: the port of #PF
                          Case{"OUTSYSCALL", {0xe6, 0xe0}, 13, 0, 0},                // the port of SYSCALL
                          Case{"MOVCR3", {0x0f, 0x22, 0xd8}, 13, 0, 0},              // mov cr3, rax
                          Case{"LGDT", {0x0f, 0x01, 0x17}, 13, 0, 0},                // lgdt [rdi]
                          Case{"WRMSR", {0x0f, 0x30}, 13, 0, 0},                     // wrmsr
                          Case{"IRETQ", {0x48, 0xcf}, 13, 0, 0},                     // iretq with zeroes on the stack
                          Case{"SYSRET", {0x48, 0x0f, 0x07}, 13, 0, 0},              // sysret
                          Case{"MOVAPS", {0x0f, 0x28, 0x44, 0x24, 0x01}, 13, 0, 0},  // movaps xmm0, [rsp+1]
                          Case{"BADDS", {0xb8, 0x55, 0x55, 0x00, 0x00, 0x8e, 0xd8}, 13, 0x5554, 5})),  // mov ds, ax
    [](const auto& p) { return std::string(std::get<0>(p.param)) + std::get<1>(p.param).name; });

TEST_P(Exceptions, NonCanonicalAccess) {
  guest().load({0x48, 0x8b, 0x07});  // mov rax, [rdi]
  vcpu().edit_regs()[UserRegs::kRdi] = 0x8000'0000'0000'0000;
  const auto event = guest().expect<ExceptionEvent>();
  EXPECT_EQ(event.vector, 13);
}

TEST_P(Exceptions, JumpToANonCanonicalAddress) {
  guest().load({0xff, 0xe7});  // jmp rdi
  vcpu().edit_regs()[UserRegs::kRdi] = 0x8000'0000'0000'0000;
  const auto event = guest().expect<ExceptionEvent>();
  EXPECT_EQ(event.vector, 13);
}

TEST_P(Exceptions, ResumeAtANonCanonicalAddressIsAProtectionFault) {
  guest().load({0x0f, 0x05});
  vcpu().edit_regs().rip = 0xdead'0000'0000'0000;
  EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 13);
  EXPECT_EQ(vcpu().regs().rip, 0xdead'0000'0000'0000U);
  vcpu().edit_regs().rip = kCode.raw();
  guest().expect<SyscallEvent>();
}

TEST_P(Exceptions, AWildStackPointerDoesNotHurtTheStubs) {
  for (const std::uint64_t rsp :
       std::initializer_list<std::uint64_t>{0, 8, 0x8000'0000'0000'0000, ~0ULL, 0xffff'8000'0000'8000}) {
    guest().load({0x48, 0xc7, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00, 0x01, 0x00, 0x00, 0x00});  // mov [0x600000], 1
    vcpu().edit_regs()[UserRegs::kRsp] = rsp;
    EXPECT_EQ(guest().expect<PageFaultEvent>().address.raw(), 0x60'0000U);
    EXPECT_EQ(vcpu().regs()[UserRegs::kRsp], rsp);
    make();
  }
}

TEST_P(Exceptions, SingleStepByTheTrapFlag) {
  guest().load({0x90, 0x90, 0x90});
  vcpu().edit_regs().rflags |= kTrapFlag;
  if (!can().single_step_by_tf) GTEST_SKIP() << kNoSingleStep;
  for (unsigned i = 1; i <= 3; ++i) {
    EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 1);
    if (vcpu().regs().rip == kCode.raw()) GTEST_SKIP() << kBochs;
    EXPECT_EQ(vcpu().regs().rip, kCode.raw() + i);
    EXPECT_NE(vcpu().regs().rflags & kTrapFlag, 0U);
  }
}

TEST_P(Exceptions, TheTrapFlagOfUserCodesOwnMaking) {
  // pushf; or dword [rsp], 0x100; popf; nop
  guest().load({0x9c, 0x81, 0x0c, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9d, 0x90});
  EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 1);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + 10);
}

TEST_P(Exceptions, TheTrapFlagDoesNotDisturbASystemCall) {
  guest().load({0x0f, 0x05, 0x90, 0x90});
  vcpu().edit_regs().rflags |= kTrapFlag;
  const auto event = vcpu().run();
  ASSERT_TRUE(event.has_value()) << event.error().message;
  if (std::holds_alternative<ExceptionEvent>(*event) && vcpu().regs().rip == kCode.raw()) GTEST_SKIP() << kBochs;
  ASSERT_TRUE(std::holds_alternative<SyscallEvent>(*event)) << TinyGuest::describe(*event);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + kSyscallBytes);
  EXPECT_NE(vcpu().regs().rflags & kTrapFlag, 0U);
  EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 1);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + kSyscallBytes + 1);
}

// MOV SS holds the trap back until the next instruction is done, and that one is in a stub.
TEST_P(Exceptions, ATrapThatArrivesInAStubIsPassedOver) {
  // mov eax, 0x2b; mov ss, eax; syscall
  guest().load({0xb8, 0x2b, 0x00, 0x00, 0x00, 0x8e, 0xd0, 0x0f, 0x05});
  vcpu().edit_regs().rflags |= kTrapFlag;
  bool called = false;
  for (unsigned i = 0; i < 4 && !called; ++i) {
    const auto event = vcpu().run();
    ASSERT_TRUE(event.has_value()) << event.error().message;
    called = std::holds_alternative<SyscallEvent>(*event);
    const auto* exception = std::get_if<ExceptionEvent>(&*event);
    ASSERT_TRUE(called || (exception != nullptr && exception->vector == 1)) << TinyGuest::describe(*event);
    if (exception != nullptr && vcpu().regs().rip == kCode.raw()) GTEST_SKIP() << kBochs;
  }
  EXPECT_TRUE(called);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + 9);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRsp], kStack.raw() - 64);
}

TEST_P(Exceptions, FloatingPointError) {
  // fld1; mov word [rdi], 0; fldcw [rdi]; fldz; fdivp; fwait
  guest().load({0xd9, 0xe8, 0x66, 0xc7, 0x07, 0x00, 0x00, 0xd9, 0x2f, 0xd9, 0xee, 0xde, 0xf9, 0x9b, 0x0f, 0x05});
  vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 16);
}

TEST_P(Exceptions, SimdError) {
  // mov dword [rdi], 0x1d80 (#Z unmasked); ldmxcsr [rdi]; mov eax, 0x3f800000; movd xmm1, eax;
  // xorps xmm0, xmm0; divss xmm1, xmm0
  guest().load({0xc7, 0x07, 0x80, 0x1d, 0x00, 0x00, 0x0f, 0xae, 0x17, 0xb8, 0x00, 0x00, 0x80, 0x3f,
                0x66, 0x0f, 0x6e, 0xc8, 0x0f, 0x57, 0xc0, 0xf3, 0x0f, 0x5e, 0xc8, 0x0f, 0x05});
  vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  const auto event = vcpu().run();
  ASSERT_TRUE(event.has_value()) << event.error().message;
  if (std::holds_alternative<SyscallEvent>(*event)) GTEST_SKIP() << kTcg;
  ASSERT_TRUE(std::holds_alternative<ExceptionEvent>(*event)) << TinyGuest::describe(*event);
  EXPECT_EQ(std::get<ExceptionEvent>(*event).vector, 19);
}

TEST_P(Exceptions, Int1) {
  guest().load({0xf1, 0x0f, 0x0b});
  const auto event = guest().expect<ExceptionEvent>();
  if (event.vector == 6 && vcpu().regs().rip == kCode.raw()) GTEST_SKIP() << kTcg;
  EXPECT_EQ(event.vector, 1);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + 1);
}

TEST_P(Exceptions, AlignmentCheck) {
  guest().load({0x48, 0x8b, 0x47, 0x01, 0x0f, 0x05});  // mov rax, [rdi+1]; syscall
  vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  vcpu().edit_regs().rflags |= 1U << 18;
  const auto event = vcpu().run();
  ASSERT_TRUE(event.has_value()) << event.error().message;
  if (std::holds_alternative<SyscallEvent>(*event)) GTEST_SKIP() << kTcg;
  ASSERT_TRUE(std::holds_alternative<ExceptionEvent>(*event)) << TinyGuest::describe(*event);
  EXPECT_EQ(std::get<ExceptionEvent>(*event).vector, 17);
}

TEST_P(Exceptions, FlagsThatUserCodeMayNotHaveAreDropped) {
  // pushf; pop rax; syscall
  guest().load({0x9c, 0x58, 0x0f, 0x05});
  vcpu().edit_regs().rflags = ~(kTrapFlag | 1ULL << 18);  // everything but TF and AC
  guest().expect<SyscallEvent>();
  const std::uint64_t flags = vcpu().regs()[UserRegs::kRax];
  EXPECT_EQ(flags & (3U << 12), 0U) << "IOPL";
  EXPECT_EQ(flags & (1U << 17 | 1U << 19 | 1U << 20), 0U) << "VM, VIF, VIP";
  EXPECT_NE(flags & (1U << 9), 0U) << "IF";
}

TEST_P(Exceptions, NestedTaskFlagDoesNoHarm) {
  // pushf; or dword [rsp], 0x4000; popf; mov [0x600000], al; syscall
  guest().load(
      {0x9c, 0x81, 0x0c, 0x24, 0x00, 0x40, 0x00, 0x00, 0x9d, 0x88, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00, 0x0f, 0x05});
  guest().expect<PageFaultEvent>();
  guest().map(Gva(0x60'0000));
  guest().expect<SyscallEvent>();
}

TEST_P(Exceptions, KernelAddressesFault) {
  constexpr Gva kKernel{0xffff'8000'0000'0000};
  for (const std::vector<unsigned>& code : {std::vector<unsigned>{0x8a, 0x07}, {0x88, 0x07}, {0xff, 0xe7}}) {
    guest().load(code);
    vcpu().edit_regs()[UserRegs::kRdi] = kKernel.raw();
    const auto fault = guest().expect<PageFaultEvent>();
    EXPECT_EQ(fault.address, kKernel);
    EXPECT_TRUE(fault.error.user());
    EXPECT_EQ(fault.error.write(), code[0] == 0x88);
    EXPECT_EQ(fault.error.fetch(), code[0] == 0xff);
    make();
  }
}

TEST_P(Exceptions, SoftwareInterrupts) {
  for (const unsigned vector : {0x00U, 0x01U, 0x0eU, 0x1fU, 0x20U, 0x80U, 0xffU}) {
    guest().load({0xcd, vector});
    const auto event = guest().expect<ExceptionEvent>();
    EXPECT_TRUE(event.vector == 13 || event.vector == 6) << unsigned{event.vector};  // #UD on PVM
    const std::uint64_t offset = vcpu().regs().rip - kCode.raw();
    EXPECT_TRUE(offset == 0 || offset == 2) << offset;  // 2 is SVM's with npt=0 on QEMU TCG
    make();
  }
}

TEST_P(Exceptions, FarJumpToAKernelSegment) {
  // push 0x10; push rdi; retfq
  guest().load({0x6a, 0x10, 0x57, 0x48, 0xcb});
  vcpu().edit_regs()[UserRegs::kRdi] = kCode.raw();
  const auto event = vcpu().run();
  ASSERT_TRUE(event.has_value()) << event.error().message;
  if (far_return_of_tcg(*event)) GTEST_SKIP() << kTcg;
  ASSERT_TRUE(std::holds_alternative<ExceptionEvent>(*event)) << TinyGuest::describe(*event);
  EXPECT_EQ(std::get<ExceptionEvent>(*event).vector, 13);
}

TEST_P(Exceptions, DataSegmentsMayBeLoaded) {
  // mov eax, 0x2b; mov ds, eax; mov es, eax; mov rax, [0x500000]; syscall
  guest().load({0xb8, 0x2b, 0x00, 0x00, 0x00, 0x8e, 0xd8, 0x8e, 0xc0, 0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x50, 0x00,
                0x0f, 0x05});
  guest().expect<SyscallEvent>();
}

TEST_P(Exceptions, GarbageNeitherCrashesNorHangs) {
  std::uint64_t state = 0x9e37'79b9'7f4a'7c15;
  const auto next = [&] { return state ^= state << 13, state ^= state >> 7, state ^= state << 17; };
  for (unsigned round = 0; round < 40; ++round) {
    make();
    const KickingThread kicks(vcpu());  // garbage may well be a loop
    guest().load({});
    std::byte* code = guest().page(mmu::Pte(guest().entry(kCode)).frame());
    for (unsigned i = 0; i < kPageSize; i += 8) {
      const std::uint64_t word = next();
      std::memcpy(code + i, &word, 8);
    }
    for (unsigned i = 0; i < 16; ++i) vcpu().edit_regs()[i] = next() >> (next() % 64);
    vcpu().edit_regs().rflags = next();
    for (unsigned step = 0; step < 50; ++step) {
      vcpu().edit_regs().rip = kCode.raw() + next() % kPageSize;
      const auto event = vcpu().run();
      ASSERT_TRUE(event.has_value()) << event.error().message;
      const auto* fatal = std::get_if<FatalEvent>(&*event);
      ASSERT_EQ(fatal, nullptr) << TinyGuest::describe(*event);
    }
  }
}

}  // namespace
}  // namespace faultline::vmm::testing

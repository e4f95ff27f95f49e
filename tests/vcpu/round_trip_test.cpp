// Faults and system calls, there and back.
#include <tuple>

#include "tests/vcpu/vcpu_test.hpp"

namespace faultline::vmm::testing {
namespace {

using mmu::ErrorCode;
using mmu::Pte;

class RoundTrip : public VcpuTest {};
FL_ON_EVERY_BACKEND(RoundTrip);

TEST_P(RoundTrip, PageFaultArrivesAndIsResumed) {
  // mov [rdi], rax; syscall
  guest().load({0x48, 0x89, 0x07, 0x0f, 0x05});
  constexpr Gva kHole{0x60'0123};
  vcpu().edit_regs()[UserRegs::kRdi] = kHole.raw();
  vcpu().edit_regs()[UserRegs::kRax] = 0x1122'3344'5566'7788;
  const auto fault = guest().expect<PageFaultEvent>();
  EXPECT_EQ(fault.address, kHole);
  EXPECT_EQ(fault.error.raw(), ErrorCode::kWrite | ErrorCode::kUser);
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

TEST_P(RoundTrip, EveryRegisterSurvivesAFault) {
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

TEST_P(RoundTrip, SystemCallReturnsWhatTheHostSays) {
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

TEST_P(RoundTrip, RegistersCanAllBeReplaced) {
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

struct Access {
  const char* name;
  std::vector<unsigned> code;  // with the address in RDI
  std::uint32_t bits;
  bool reads_first = false;
};
class ErrorCodes : public OnBackend, public ::testing::WithParamInterface<std::tuple<const char*, Access>> {
 protected:
  void SetUp() override { make_on(std::get<0>(GetParam())); }
};

// Every kind of access against every kind of entry: the error code that the CPU would push.
TEST_P(ErrorCodes, AreThoseOfTheGuestsTables) {
  const Access& access = std::get<1>(GetParam());
  guest().load(access.code);
  constexpr Gva kTarget{0x60'0000};
  struct {
    std::uint64_t flags;
    bool write, user, execute, present, reserved;
  } const entries[] = {
      {0, false, false, false, false, false},
      {Pte::kPresent | Pte::kUser, false, true, true, true, false},
      {Pte::kPresent | Pte::kUser | Pte::kWrite, true, true, true, true, false},
      {Pte::kPresent | Pte::kUser | Pte::kWrite | Pte::kNoExecute, true, true, false, true, false},
      {Pte::kPresent | Pte::kUser | Pte::kNoExecute, false, true, false, true, false},
      {Pte::kPresent | Pte::kWrite, true, false, true, true, false},
      {Pte::kWrite | Pte::kUser, true, true, true, false, false},
  };
  const bool write = (access.bits & ErrorCode::kWrite) != 0, fetch = (access.bits & ErrorCode::kFetch) != 0;
  for (const auto& e : entries) {
    SCOPED_TRACE(e.flags);
    const Gfn frame = guest().frame();
    guest().page(frame)[0] = std::byte{0x0f};  // for a fetch: syscall
    guest().page(frame)[1] = std::byte{0x05};
    guest().change(kTarget, e.flags == 0 ? 0 : Pte::make(frame, e.flags).raw());
    guest().start();
    vcpu().edit_regs()[UserRegs::kRdi] = kTarget.raw();
    const auto event = vcpu().run();
    ASSERT_TRUE(event.has_value());
    const bool allowed = e.present && e.user && (!write || e.write) && (!fetch || e.execute);
    if (allowed) {
      EXPECT_TRUE(std::holds_alternative<SyscallEvent>(*event)) << TinyGuest::describe(*event);
      EXPECT_EQ(guest().entry(kTarget) & Pte::kAccessed, Pte::kAccessed);
      EXPECT_EQ((guest().entry(kTarget) & Pte::kDirty) != 0, write);
    } else {
      ASSERT_TRUE(std::holds_alternative<PageFaultEvent>(*event)) << TinyGuest::describe(*event);
      const auto fault = std::get<PageFaultEvent>(*event);
      EXPECT_EQ(fault.address, kTarget);
      // QEMU's TCG reads first, and asks for the right to write when it stores.
      const bool reads = access.reads_first && on_tcg(), read = reads && e.present && e.user;
      const std::uint32_t bits = reads && !read ? 0 : access.bits;
      EXPECT_EQ(fault.error.raw(), bits | ErrorCode::kUser | (e.present ? ErrorCode::kPresent : 0U));
      EXPECT_EQ(guest().entry(kTarget) & (Pte::kAccessed | Pte::kDirty), read ? Pte::kAccessed : 0U);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ErrorCodes,
    ::testing::Combine(::testing::Values("kvm", "hosted"),
                       ::testing::Values(Access{"Read", {0x8a, 0x07, 0x0f, 0x05}, 0},
                                         Access{"Write", {0x88, 0x07, 0x0f, 0x05}, ErrorCode::kWrite},
                                         Access{"ReadModifyWrite", {0xfe, 0x07, 0x0f, 0x05}, ErrorCode::kWrite, true},
                                         Access{"Fetch", {0xff, 0xe7}, ErrorCode::kFetch})),
    [](const auto& p) { return std::string(std::get<0>(p.param)) + std::get<1>(p.param).name; });

// A page is read-only until it is written to, so that Dirty is set when it becomes true.
TEST_P(RoundTrip, DirtyIsSetByTheFirstWriteAndNoSooner) {
  // mov al, [rdi]; syscall; mov [rdi], al; syscall
  guest().load({0x8a, 0x07, 0x0f, 0x05, 0x88, 0x07, 0x0f, 0x05});
  constexpr Gva kPage{0x60'0000};
  guest().map(kPage, Pte::kPresent | Pte::kUser | Pte::kWrite);
  vcpu().edit_regs()[UserRegs::kRdi] = kPage.raw();
  guest().expect<SyscallEvent>();
  EXPECT_EQ(guest().entry(kPage) & (Pte::kAccessed | Pte::kDirty), Pte::kAccessed);
  guest().expect<SyscallEvent>();
  EXPECT_EQ(guest().entry(kPage) & (Pte::kAccessed | Pte::kDirty), Pte::kAccessed | Pte::kDirty);
}

TEST_P(RoundTrip, AFlushTakesTheTranslationAway) {
  // mov al, [rdi]; syscall; mov al, [rdi]; syscall
  guest().load({0x8a, 0x07, 0x0f, 0x05, 0x8a, 0x07, 0x0f, 0x05});
  constexpr Gva kPage{0x60'0000};
  guest().map(kPage)[0] = std::byte{1};
  vcpu().edit_regs()[UserRegs::kRdi] = kPage.raw();
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax] & 0xff, 1U);
  const Gfn other = guest().frame();
  guest().page(other)[0] = std::byte{2};
  guest().change(kPage, Pte::make(other, kUserPage).raw());
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax] & 0xff, 2U);
}

}  // namespace
}  // namespace faultline::vmm::testing

// State beside the general registers: extended state, segment bases, page tables, several vCPUs.
#include <algorithm>
#include <array>

#include "tests/vcpu/vcpu_test.hpp"

namespace faultline::vmm::testing {
namespace {

class State : public VcpuTest {};
FL_ON_EVERY_BACKEND(State);

constexpr std::size_t kXmm0 = 160, kXstateBv = 512, kYmmHigh = 576;
constexpr std::uint64_t kAvx = 1U << 2;

std::uint64_t word(const std::vector<std::byte>& area, std::size_t offset) {
  std::uint64_t value = 0;
  std::memcpy(&value, area.data() + offset, sizeof value);
  return value;
}

TEST_P(State, StartsWithTheInitialExtendedState) {
  // fnstcw [rdi]; stmxcsr [rdi+4]; movq rax, xmm0; syscall
  guest().load({0xd9, 0x3f, 0x0f, 0xae, 0x5f, 0x04, 0x66, 0x48, 0x0f, 0x7e, 0xc0, 0x0f, 0x05});
  vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  guest().expect<SyscallEvent>();
  const std::byte* data = guest().page(mmu::Pte(guest().entry(kData)).frame());
  EXPECT_EQ(data[0], std::byte{0x7f});
  EXPECT_EQ(data[1], std::byte{0x03});
  EXPECT_EQ(data[4], std::byte{0x80});
  EXPECT_EQ(data[5], std::byte{0x1f});
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 0U);
}

TEST_P(State, SseSurvivesAFaultAndCanBeReadAndWritten) {
  // movq xmm0, rbx; mov [0x600000], rax; movq rax, xmm0; syscall; movq rax, xmm0; syscall
  guest().load({0x66, 0x48, 0x0f, 0x6e, 0xc3, 0x48, 0x89, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00, 0x66,
                0x48, 0x0f, 0x7e, 0xc0, 0x0f, 0x05, 0x66, 0x48, 0x0f, 0x7e, 0xc0, 0x0f, 0x05});
  vcpu().edit_regs()[UserRegs::kRbx] = 0x5e5e'0001;
  guest().expect<PageFaultEvent>();
  std::vector<std::byte> area(vcpu().xsave_size());
  ASSERT_TRUE(vcpu().get_xsave(area).has_value());
  EXPECT_EQ(word(area, kXmm0), 0x5e5e'0001U);
  guest().map(Gva(0x60'0000));
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 0x5e5e'0001U);

  ASSERT_TRUE(vcpu().get_xsave(area).has_value());
  const std::uint64_t other = 0x5e5e'0002;
  std::memcpy(area.data() + kXmm0, &other, sizeof other);
  const std::uint64_t components = word(area, kXstateBv) | 2;
  std::memcpy(area.data() + kXstateBv, &components, sizeof components);
  ASSERT_TRUE(vcpu().set_xsave(area).has_value());
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], other);
}

TEST_P(State, AvxSurvivesAFaultAndIsInTheXsaveArea) {
  if ((vcpu().xsave_features() & kAvx) == 0) GTEST_SKIP() << "no AVX state here";
  ASSERT_GE(vcpu().xsave_size(), kYmmHigh + 16U * 16U);
  // vmovdqu ymm0, [rdi]; mov [0x600000], al; vmovdqu [rdi+32], ymm0; syscall
  guest().load(
      {0xc5, 0xfe, 0x6f, 0x07, 0x88, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00, 0xc5, 0xfe, 0x7f, 0x47, 0x20, 0x0f, 0x05});
  std::byte* data = guest().page(mmu::Pte(guest().entry(kData)).frame());
  for (unsigned i = 0; i < 32; ++i) data[i] = static_cast<std::byte>(i + 1);
  vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  guest().expect<PageFaultEvent>();
  std::vector<std::byte> area(vcpu().xsave_size());
  ASSERT_TRUE(vcpu().get_xsave(area).has_value());
  EXPECT_NE(word(area, kXstateBv) & kAvx, 0U);
  EXPECT_EQ(std::memcmp(area.data() + kYmmHigh, data + 16, 16), 0);
  // The upper half of ymm0 as a signal handler's frame might have it.
  std::memset(area.data() + kYmmHigh, 0x77, 16);
  ASSERT_TRUE(vcpu().set_xsave(area).has_value());
  guest().map(Gva(0x60'0000));
  guest().expect<SyscallEvent>();
  EXPECT_EQ(std::memcmp(data + 32, data, 16), 0);
  EXPECT_EQ(data[48], std::byte{0x77});
}

TEST_P(State, WildXsaveBytesAreMadeHarmless) {
  guest().load({0x0f, 0x05});
  std::vector<std::byte> area(vcpu().xsave_size(), std::byte{0xff});
  EXPECT_TRUE(vcpu().set_xsave(area).has_value());
  guest().expect<SyscallEvent>();
  area.resize(100);  // shorter than it should be
  EXPECT_TRUE(vcpu().set_xsave(area).has_value());
  EXPECT_TRUE(vcpu().get_xsave(area).has_value());
}

TEST_P(State, FsAndGsBase) {
  // mov rax, fs:[8]; mov rbx, gs:[8]; syscall
  guest().load({0x64, 0x48, 0x8b, 0x04, 0x25, 0x08, 0x00, 0x00, 0x00, 0x65,
                0x48, 0x8b, 0x1c, 0x25, 0x08, 0x00, 0x00, 0x00, 0x0f, 0x05});
  const std::array<std::uint64_t, 4> words = {0, 0xf5, 0, 0x65};
  std::memcpy(guest().page(mmu::Pte(guest().entry(kData)).frame()), words.data(), sizeof words);
  ASSERT_TRUE(vcpu().set_fs_base(kData.raw()).has_value());
  ASSERT_TRUE(vcpu().set_gs_base(kData.raw() + 16).has_value());
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 0xf5U);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRbx], 0x65U);
  EXPECT_EQ(vcpu().fs_base().value(), kData.raw());
  EXPECT_EQ(vcpu().gs_base().value(), kData.raw() + 16);
}

TEST_P(State, BasesThatAreNotCanonicalAreRefused) {
  guest().load({0x0f, 0x05});
  EXPECT_FALSE(vcpu().set_fs_base(0x8000'0000'0000'0000).has_value());
  EXPECT_FALSE(vcpu().set_gs_base(0x8000'0000'0000'0000).has_value());
  guest().expect<SyscallEvent>();
}

TEST_P(State, FsBaseSetByUserCodeIsSeen) {
  guest().load({0xf3, 0x48, 0x0f, 0xae, 0xd3, 0x0f, 0x05});  // wrfsbase rbx; syscall
  vcpu().edit_regs()[UserRegs::kRbx] = 0x1234'5678'9000;
  const auto event = vcpu().run();
  ASSERT_TRUE(event.has_value());
  if (std::holds_alternative<ExceptionEvent>(*event)) GTEST_SKIP() << "no FSGSBASE here";
  EXPECT_EQ(vcpu().fs_base().value(), 0x1234'5678'9000U);
}

TEST_P(State, AnotherPageTable) {
  guest().load({0x48, 0x8b, 0x07, 0x0f, 0x05, 0xeb, 0xf9});  // loop: mov rax, [rdi]; syscall
  std::uint64_t value = 1;
  std::memcpy(guest().page(mmu::Pte(guest().entry(kData)).frame()), &value, sizeof value);
  vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 1U);
  const Gfn first = guest().root();
  guest().new_root();
  std::memcpy(guest().map(kCode), guest().page(mmu::Pte(guest().entry_in(first, kCode)).frame()), kPageSize);
  value = 2;
  std::memcpy(guest().map(kData), &value, sizeof value);
  ASSERT_TRUE(vcpu().set_page_table(Gpa(guest().root())).has_value());
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 2U);
  ASSERT_TRUE(vcpu().set_page_table(Gpa(first)).has_value());
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 1U);
}

TEST_P(State, TwoVcpusHaveStacksOfTheirOwn) {
  guest().load({0x0f, 0x05, 0xeb, 0xfc});
  auto second = guest().machine().create_vcpu();
  ASSERT_TRUE(second.has_value()) << second.error().message;
  ASSERT_TRUE((*second)->set_page_table(Gpa(guest().root())).has_value());
  (*second)->edit_regs().rip = kCode.raw();
  (*second)->edit_regs()[UserRegs::kRax] = 200;
  vcpu().edit_regs()[UserRegs::kRax] = 100;
  for (unsigned i = 0; i < 5; ++i) {
    guest().expect<SyscallEvent>();
    EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 100U + i);
    const auto event = (*second)->run();
    ASSERT_TRUE(event.has_value());
    ASSERT_TRUE(std::holds_alternative<SyscallEvent>(*event)) << TinyGuest::describe(*event);
    EXPECT_EQ((*second)->regs()[UserRegs::kRax], 200U + i);
    ++vcpu().edit_regs()[UserRegs::kRax];
    ++(*second)->edit_regs()[UserRegs::kRax];
  }
  EXPECT_EQ(vcpu().index(), 0U);
  EXPECT_EQ((*second)->index(), 1U);
}

TEST_P(State, SeveralVcpusShareOneMemory) {
  // mov al, [rdi]; syscall; mov al, [rdi]; syscall
  guest().load({0x8a, 0x07, 0x0f, 0x05, 0x8a, 0x07, 0x0f, 0x05});
  vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  auto other = guest().machine().create_vcpu();
  ASSERT_TRUE(other.has_value()) << other.error().message;
  EXPECT_EQ((*other)->index(), 1U);
  ASSERT_TRUE((*other)->set_page_table(Gpa(guest().root())).has_value());
  (*other)->edit_regs() = vcpu().regs();
  guest().expect<SyscallEvent>();
  ASSERT_TRUE(std::holds_alternative<SyscallEvent>((*other)->run().value()));
  const Gfn other_frame = guest().frame();
  guest().page(other_frame)[0] = std::byte{9};
  guest().change(kData, mmu::Pte::make(other_frame, kUserPage).raw());  // reaches both
  ASSERT_TRUE(std::holds_alternative<SyscallEvent>((*other)->run().value()));
  EXPECT_EQ((*other)->regs()[UserRegs::kRax] & 0xff, 9U);
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax] & 0xff, 9U);
}

// A user address that the backend has for itself is given up for a guest that wants it.
TEST_P(State, EveryUserAddressIsTheGuests) {
  guest().load({0x0f, 0x05});
  mmu::UserHalf* half = guest().machine().user_half();
  EXPECT_EQ(half == nullptr, can().whole_user_half);
  if (half == nullptr) return;
  constexpr Gva kMiddle{0x3000'0000'0000}, kEnd{0x7fff'ffff'f000};
  const auto free = [](Gva, Gva) { return true; };
  EXPECT_TRUE(half->make_way(kMiddle, kEnd, free));
  EXPECT_TRUE(half->make_way(Gva(0x1'0000), kMiddle, free));
  guest().expect<SyscallEvent>();
}

TEST_P(State, SupervisorCodeNeedsItsHalf) {
  EXPECT_EQ(can().supervisor_code, guest().machine().kernel_half() != Gfn(0));
}

TEST_P(State, TimesOfARun) {
  guest().load({0x0f, 0x05});
  guest().expect<SyscallEvent>();
  EXPECT_LT(vcpu().last_run().entered_ns, vcpu().last_run().left_ns);
}

}  // namespace
}  // namespace faultline::vmm::testing

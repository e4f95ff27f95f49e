// State of a hosted vCPU beside the general registers.
#include "tests/hosted/hosted_guest.hpp"

namespace faultline::vmm::testing {
namespace {

using HostedState = HostedTest;

constexpr std::size_t kXmm0 = 160, kXstateBv = 512, kYmmHigh = 576;
constexpr std::uint64_t kAvx = 1U << 2;

std::uint64_t word(const std::vector<std::byte>& area, std::size_t offset) {
  std::uint64_t value = 0;
  std::memcpy(&value, area.data() + offset, sizeof value);
  return value;
}

TEST_F(HostedState, StartsWithTheInitialExtendedState) {
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

TEST_F(HostedState, SseSurvivesAFaultAndCanBeReadAndWritten) {
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

TEST_F(HostedState, AvxSurvivesAFaultAndIsInTheXsaveArea) {
  if ((vcpu().xsave_features() & kAvx) == 0) GTEST_SKIP() << "no AVX state here";
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
  std::memset(area.data() + kYmmHigh, 0x77, 16);
  ASSERT_TRUE(vcpu().set_xsave(area).has_value());
  guest().map(Gva(0x60'0000));
  guest().expect<SyscallEvent>();
  EXPECT_EQ(std::memcmp(data + 32, data, 16), 0);
  EXPECT_EQ(data[48], std::byte{0x77});
}

TEST_F(HostedState, WildXsaveBytesAreMadeHarmless) {
  guest().load({0x0f, 0x05, 0x0f, 0x05});
  std::vector<std::byte> area(vcpu().xsave_size(), std::byte{0xff});
  EXPECT_TRUE(vcpu().set_xsave(area).has_value());
  guest().expect<SyscallEvent>();
  area.resize(100);  // shorter than it should be
  EXPECT_TRUE(vcpu().set_xsave(area).has_value());
  EXPECT_TRUE(vcpu().get_xsave(area).has_value());
  guest().expect<SyscallEvent>();
}

TEST_F(HostedState, FsAndGsBase) {
  // mov rax, fs:[8]; mov rbx, gs:[8]; syscall; wrfsbase rbx; syscall
  guest().load({0x64, 0x48, 0x8b, 0x04, 0x25, 0x08, 0x00, 0x00, 0x00, 0x65, 0x48, 0x8b, 0x1c, 0x25,
                0x08, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xf3, 0x48, 0x0f, 0xae, 0xd3, 0x0f, 0x05});
  std::byte* data = guest().page(mmu::Pte(guest().entry(kData)).frame());
  data[8] = std::byte{0x11};
  data[0x108] = std::byte{0x22};
  ASSERT_TRUE(vcpu().set_fs_base(kData.raw()).has_value());
  ASSERT_TRUE(vcpu().set_gs_base(kData.raw() + 0x100).has_value());
  EXPECT_FALSE(vcpu().set_fs_base(0x8000'0000'0000'0000).has_value());
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 0x11U);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRbx], 0x22U);
  EXPECT_EQ(vcpu().fs_base().value(), kData.raw());
  EXPECT_EQ(vcpu().gs_base().value(), kData.raw() + 0x100);
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().fs_base().value(), 0x22U);
}

TEST_F(HostedState, SeveralVcpusShareOneMemory) {
  // mov al, [rdi]; syscall; mov al, [rdi]; syscall
  guest().load({0x8a, 0x07, 0x0f, 0x05, 0x8a, 0x07, 0x0f, 0x05});
  vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  auto other = machine().create_vcpu();
  ASSERT_TRUE(other.has_value()) << other.error().message;
  EXPECT_EQ((*other)->index(), 1U);
  ASSERT_TRUE((*other)->set_page_table(Gpa(guest().root())).has_value());
  (*other)->edit_regs() = vcpu().regs();
  guest().expect<SyscallEvent>();
  ASSERT_TRUE(std::holds_alternative<SyscallEvent>((*other)->run().value()));
  guest().map(kData)[0] = std::byte{9};
  flush(kData, kData + kPageSize);  // reaches both
  ASSERT_TRUE(std::holds_alternative<SyscallEvent>((*other)->run().value()));
  EXPECT_EQ((*other)->regs()[UserRegs::kRax] & 0xff, 9U);
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax] & 0xff, 9U);
}

TEST_F(HostedState, ConfigurationsThatOnlyKvmHasAreRefused) {
  MachineConfig five;
  five.mode = mmu::PagingMode::kFiveLevel;
  EXPECT_FALSE(create_hosted_machine(five).has_value());
  MachineConfig sink;
  sink.sink = "shadow";
  EXPECT_FALSE(create_hosted_machine(sink).has_value());
}

}  // namespace
}  // namespace faultline::vmm::testing

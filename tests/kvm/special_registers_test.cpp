// Address spaces and segment bases that are changed through the run area, or by ioctls where KVM cannot do
// that: in force at the next entry, and what the vCPU itself says afterwards.
#include <array>
#include <cstring>

#include "tests/kvm/kvm_guest.hpp"

namespace faultline::vmm::testing {
namespace {

enum class Way : std::uint8_t { kRunArea, kIoctls };

class SpecialRegistersTest : public KvmTest, public ::testing::WithParamInterface<Way> {
 protected:
  void SetUp() override {
    KvmTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (GetParam() == Way::kIoctls) special().use_ioctls();
    if (GetParam() == Way::kRunArea && !special().in_run_area()) GTEST_SKIP() << "this KVM lacks KVM_SYNC_X86_SREGS";
    host_loads_ = !guest().machine().sink().tables_reusable_after_flush();
    // mov rax, [rdi]; mov rbx, fs:[0]; syscall
    guest().load({0x48, 0x8b, 0x07, 0x64, 0x48, 0x8b, 0x1c, 0x25, 0, 0, 0, 0, 0x0f, 0x05});
    code_ = mmu::Pte(guest().entry(kCode)).frame();
    set_word(guest().bytes(kData), 1);
    set_word(guest().map(kBase), 101);
  }
  static void set_word(std::byte* page, std::uint64_t value) { std::memcpy(page, &value, sizeof value); }
  kvm::KvmVcpu& kvm_vcpu() { return static_cast<kvm::KvmVcpu&>(vcpu()); }
  kvm::SpecialRegisters& special() { return kvm_vcpu().special_registers(); }

  // Another address space: `value` at kData, and 100 more at kBase.
  Gfn add(std::uint64_t value) {
    guest().new_root();
    guest().entry(kCode) = mmu::Pte::make(code_, kUserPage).raw();
    set_word(guest().map(kData), value);
    set_word(guest().map(kBase), value + 100);
    return guest().root();
  }
  void enter() {
    guest().start();
    vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
    guest().expect<SyscallEvent>();
  }
  std::uint64_t read() {
    enter();
    return vcpu().regs()[UserRegs::kRax];
  }
  std::uint64_t read_base() {
    enter();
    return vcpu().regs()[UserRegs::kRbx];
  }
  [[nodiscard]] bool waits_in_run_area() { return (kvm_vcpu().run_area().kvm_dirty_regs & KVM_SYNC_X86_SREGS) != 0; }
  // What is kept here is what the ioctl says.
  void expect_agreement(Gfn root) {
    const auto kept = special().get();
    special().forget();
    const auto own = special().get();
    ASSERT_TRUE(kept.has_value() && own.has_value());
    if (host_loads_) {
      EXPECT_EQ(own->cr3, Gpa(root).raw());
    }
    EXPECT_EQ(std::memcmp(&*kept, &*own, sizeof *own), 0);
  }

  static constexpr Gva kBase{0x60'0000};
  Gfn code_;
  bool host_loads_ = false;
};

TEST_P(SpecialRegistersTest, AnotherAddressSpaceIsInForceAtTheNextEntry) {
  ASSERT_TRUE(vcpu().set_fs_base(kBase.raw()).has_value());
  const Gfn first = guest().root(), second = add(2), third = add(3);
  EXPECT_EQ(read(), 1U);
  unsigned waited = 0;
  for (unsigned i = 0; i < 100; ++i) {
    const unsigned which = i % 3;
    const Gfn root = std::array{second, third, first}[which];
    const std::uint64_t value = std::array{2U, 3U, 1U}[which];
    ASSERT_TRUE(vcpu().set_page_table(Gpa(root)).has_value());
    waited += waits_in_run_area() ? 1 : 0;
    EXPECT_EQ(read(), value);
    EXPECT_EQ(vcpu().regs()[UserRegs::kRbx], value + 100);
    EXPECT_FALSE(waits_in_run_area());
    if (i % 10 == 9) expect_agreement(root);
  }
  // Those behind an agreement come by ioctl.
  EXPECT_EQ(waited, GetParam() == Way::kRunArea && host_loads_ ? 91U : 0U);
}

TEST_P(SpecialRegistersTest, TheLastOfSeveralSwitchesCounts) {
  ASSERT_TRUE(vcpu().set_fs_base(kBase.raw()).has_value());
  const Gfn first = guest().root(), second = add(2), third = add(3);
  EXPECT_EQ(read(), 1U);
  for (const Gfn root : {second, third, second}) ASSERT_TRUE(vcpu().set_page_table(Gpa(root)).has_value());
  EXPECT_EQ(read(), 2U);
  for (const Gfn root : {third, first}) ASSERT_TRUE(vcpu().set_page_table(Gpa(root)).has_value());
  EXPECT_EQ(read(), 1U);
  expect_agreement(first);
}

TEST_P(SpecialRegistersTest, ASwitchThatWaitsOutlivesABase) {
  ASSERT_TRUE(vcpu().set_fs_base(kBase.raw()).has_value());
  const Gfn second = add(2);
  EXPECT_EQ(read(), 1U);
  for (unsigned i = 0; i < 2; ++i) {
    ASSERT_TRUE(vcpu().set_page_table(Gpa(second)).has_value());
    ASSERT_TRUE(vcpu().set_fs_base(kData.raw()).has_value());
    EXPECT_EQ(vcpu().fs_base(), kData.raw());
    EXPECT_EQ(read_base(), 2U);
    expect_agreement(second);
  }
}

TEST_P(SpecialRegistersTest, BasesGoWithTheProcess) {
  const Gfn first = guest().root(), second = add(2);
  ASSERT_TRUE(vcpu().set_fs_base(kBase.raw()).has_value());
  EXPECT_EQ(read_base(), 101U);
  for (unsigned i = 0; i < 50; ++i) {
    const auto before = vcpu().switch_process(Gpa(second), {.fs = kData.raw(), .gs = i});
    ASSERT_TRUE(before.has_value());
    EXPECT_EQ(before->fs, kBase.raw());
    EXPECT_EQ(read_base(), 2U);
    EXPECT_EQ(vcpu().gs_base(), std::uint64_t{i});
    const auto between = vcpu().switch_process(Gpa(first), {.fs = kBase.raw(), .gs = 0});
    ASSERT_TRUE(between.has_value());
    EXPECT_EQ(between->fs, kData.raw());
    EXPECT_EQ(between->gs, std::uint64_t{i});
    EXPECT_EQ(read_base(), 101U);
  }
  expect_agreement(first);
}

// What user code loaded into its segments stays loaded, long after the host read them.
TEST_P(SpecialRegistersTest, SegmentsThatUserCodeLoadsStay) {
  if (GetParam() == Way::kIoctls) GTEST_SKIP() << "KVM_SET_SREGS of PVM loses DS";
  ASSERT_TRUE(vcpu().set_fs_base(kBase.raw()).has_value());
  const Gfn first = guest().root(), second = add(2);
  // mov rax, [rdi]; mov rbx, fs:[0]; mov edx, ds; syscall; mov eax, 0x28; mov ds, eax; syscall
  constexpr std::array<unsigned char, 25> kLoadsDs{0x48, 0x8b, 0x07, 0x64, 0x48, 0x8b, 0x1c, 0x25, 0,
                                                   0,    0,    0,    0x8c, 0xda, 0x0f, 0x05, 0xb8, 0x28,
                                                   0,    0,    0,    0x8e, 0xd8, 0x0f, 0x05};
  std::memcpy(guest().page(code_), kLoadsDs.data(), kLoadsDs.size());
  for (const Gfn root : {second, first, second}) {
    ASSERT_TRUE(vcpu().set_page_table(Gpa(root)).has_value());
    enter();
  }
  EXPECT_NE(vcpu().regs()[UserRegs::kRdx], 0x28U);
  guest().expect<SyscallEvent>();  // loads DS
  enter();
  if (vcpu().regs()[UserRegs::kRdx] != 0x28) GTEST_SKIP() << "this KVM does not keep user code's DS at all";
  ASSERT_TRUE(vcpu().set_page_table(Gpa(first)).has_value());
  EXPECT_EQ(read(), 1U);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRdx], 0x28U);
}

// They are asked for only while there is use for them.
TEST_P(SpecialRegistersTest, WhoeverDoesNotSwitchDoesNotPay) {
  const auto asked = [&] { return (kvm_vcpu().run_area().kvm_valid_regs & KVM_SYNC_X86_SREGS) != 0; };
  ASSERT_TRUE(vcpu().set_fs_base(kBase.raw()).has_value());
  const Gfn second = add(2);
  if (!host_loads_) GTEST_SKIP() << "the stubs load CR3 here";
  ASSERT_TRUE(vcpu().set_page_table(Gpa(second)).has_value());
  EXPECT_EQ(read(), 2U);
  EXPECT_EQ(asked(), GetParam() == Way::kRunArea);
  for (unsigned i = 0; i < 40; ++i) read();
  EXPECT_FALSE(asked());
}

// The tables that were asked for are not in force: nothing runs on others.
TEST_P(SpecialRegistersTest, WhatIsRefusedStopsTheVcpu) {
  if (GetParam() == Way::kIoctls) GTEST_SKIP() << "refused at once";
  ASSERT_TRUE(vcpu().set_fs_base(kBase.raw()).has_value());
  const Gfn second = add(2);
  const auto base = vcpu().fs_base();
  ASSERT_TRUE(vcpu().switch_process(Gpa(second), {.fs = *base, .gs = 1}).has_value());
  EXPECT_EQ(read(), 2U);
  auto sregs = special().get();
  ASSERT_TRUE(sregs.has_value());
  sregs->cr0 &= ~std::uint64_t{1};  // paging without protection
  EXPECT_TRUE(special().set(*sregs).has_value());
  EXPECT_FALSE(vcpu().run().has_value());
  guest().expect<FatalEvent>();
}

INSTANTIATE_TEST_SUITE_P(By, SpecialRegistersTest, ::testing::Values(Way::kRunArea, Way::kIoctls),
                         [](const auto& way) { return way.param == Way::kRunArea ? "RunArea" : "Ioctls"; });

}  // namespace
}  // namespace faultline::vmm::testing

// What the entry stubs load and flush when address spaces change, by the vCPU's own counters. What user
// code then sees is tested on every backend (tests/vcpu/address_space_test.cpp).
#include <utility>

#include "tests/kvm/kvm_guest.hpp"

namespace faultline::vmm::testing {
namespace {

class TlbUse : public KvmTest {
 protected:
  void SetUp() override {
    KvmTest::SetUp();
    if (IsSkipped()) return;
    features_ = static_cast<kvm::KvmVcpu&>(vcpu()).tlb_features();
    guest().load({0x48, 0x8b, 0x07, 0x0f, 0x05});  // mov rax, [rdi]; syscall
    code_ = mmu::Pte(guest().entry(kCode)).frame();
    if (guest().machine().sink().tables_reusable_after_flush()) return;
    EXPECT_EQ(features_, kvm::TlbFeatures{});
    GTEST_SKIP() << "shadow paging: the host loads CR3, and KVM keeps tables of its own";
  }
  Gfn add() {
    guest().new_root();
    guest().entry(kCode) = mmu::Pte::make(code_, kUserPage).raw();
    for (std::uint64_t i = 0; i < kPages; ++i) guest().map(kData + i * kPageSize);
    return guest().root();
  }
  void switch_to(Gfn root) { ASSERT_TRUE(vcpu().set_page_table(Gpa(root)).has_value()); }
  void enter() {
    guest().start();
    vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
    guest().expect<SyscallEvent>();
  }
  void enter(Gfn root) {
    switch_to(root);
    enter();
  }
  void flush(Gfn root, std::uint64_t pages, bool tables = false) {
    guest().machine().sink().flush({.root = Gpa(root),
                                    .start = kData,
                                    .end = kData + pages * kPageSize,
                                    .frames = {},
                                    .pages = pages,
                                    .tables_freed = tables});
  }
  AddressSpaceLoads taken() {
    const AddressSpaceLoads now = vcpu().address_space_loads(), before = std::exchange(before_, now);
    return {now.switches - before.switches, now.kept - before.kept, now.flushed - before.flushed,
            now.page_flushes - before.page_flushes, now.whole_flushes - before.whole_flushes};
  }

  static constexpr std::uint64_t kPages = 40;
  kvm::TlbFeatures features_;
  AddressSpaceLoads before_;
  Gfn code_;
};

TEST_F(TlbUse, BackAndForthFlushesOnceEachWithPcidsAndAlwaysWithout) {
  const Gfn a = add(), b = add();
  taken();
  for (int i = 0; i < 10; ++i) enter(a), enter(b);
  const AddressSpaceLoads loads = taken();
  EXPECT_EQ(loads.switches, 20U);
  EXPECT_EQ(loads.kept, features_.pcid ? 18U : 0U);
  EXPECT_EQ(loads.flushed, features_.pcid ? 2U : 20U);
}

TEST_F(TlbUse, ASwitchThatIsTakenBackLoadsNothing) {
  const Gfn a = add(), b = add();
  enter(a);
  taken();
  switch_to(b);
  switch_to(a);
  for (int i = 0; i < 3; ++i) enter();
  const AddressSpaceLoads loads = taken();
  EXPECT_EQ(loads.switches, 2U);
  EXPECT_EQ(loads.kept + loads.flushed + loads.page_flushes + loads.whole_flushes, 0U);
}

TEST_F(TlbUse, FewPagesOfTheLoadedOneAreFlushedAlone) {
  const Gfn a = add();
  enter(a);
  taken();
  flush(a, 1);
  enter();
  enter();
  AddressSpaceLoads loads = taken();
  EXPECT_EQ(loads.page_flushes, features_.invpcid ? 1U : 0U);
  EXPECT_EQ(loads.whole_flushes, features_.invpcid ? 0U : 1U);
  flush(a, kPages);
  enter();
  flush(a, 1, true);
  enter();
  loads = taken();
  EXPECT_EQ(loads.page_flushes, 0U);
  EXPECT_EQ(loads.whole_flushes, 2U);
}

TEST_F(TlbUse, OneThatIsNotLoadedIsFlushedWhenItComesBack) {
  const Gfn a = add(), b = add();
  enter(a);
  enter(b);
  taken();
  flush(a, 1);
  enter();
  EXPECT_EQ(taken().page_flushes, 0U);
  enter(a);
  enter(b);
  const AddressSpaceLoads loads = taken();
  EXPECT_EQ(loads.flushed, features_.pcid ? 1U : 2U);
  EXPECT_EQ(loads.kept, features_.pcid ? 1U : 0U);
}

TEST_F(TlbUse, EveryVcpuGoesByItself) {
  const Gfn a = add();
  auto other = guest().machine().create_vcpu();
  ASSERT_TRUE(other.has_value()) << other.error().message;
  ASSERT_TRUE((*other)->set_page_table(Gpa(a)).has_value());
  const auto enter_other = [&] {
    (*other)->edit_regs().rip = kCode.raw();
    (*other)->edit_regs()[UserRegs::kRdi] = kData.raw();
    const auto event = (*other)->run();
    ASSERT_TRUE(event.has_value() && std::holds_alternative<SyscallEvent>(*event));
  };
  enter(a);
  enter_other();
  taken();
  flush(a, 1);
  enter();
  enter_other();
  const AddressSpaceLoads mine = taken(), its = (*other)->address_space_loads();
  EXPECT_EQ(mine.page_flushes + mine.whole_flushes, 1U);
  EXPECT_EQ(its.page_flushes + its.whole_flushes, 1U);
  EXPECT_EQ(static_cast<kvm::KvmVcpu&>(**other).tlb_features(), features_);
}

}  // namespace
}  // namespace faultline::vmm::testing

// Page tables that user code goes over to by itself: each INT3 is one step, for as long as there are any.
#include <string>

#include "tests/vcpu/kicking_thread.hpp"
#include "tests/vcpu/vcpu_test.hpp"

namespace faultline::vmm::testing {
namespace {

constexpr std::uint8_t kBreakpoint = 3;
constexpr std::uint64_t kBehindInt3 = kCode.raw() + 4;

class PageTableSteps : public VcpuTest {
 protected:
  void SetUp() override {
    VcpuTest::SetUp();
    if (IsSkipped()) return;
    guest().load({0x48, 0x03, 0x07, 0xcc, 0xeb, 0xfa});  // again: add rax, [rdi]; int3; jmp again
    code_ = mmu::Pte(guest().entry(kCode)).frame();
  }
  [[nodiscard]] bool possible() { return can().page_table_steps > 0; }

  // A new address space with the same code, and a page at kData whose first word is `value`.
  Gfn add(std::uint64_t value) {
    Gfn root = add_without_data();
    std::memcpy(guest().map(kData), &value, sizeof value);
    return root;
  }
  Gfn add_without_data() {
    guest().new_root();
    guest().entry(kCode) = mmu::Pte::make(code_, kUserPage).raw();
    return guest().root();
  }
  void start_in(Gfn root) {
    ASSERT_TRUE(vcpu().set_page_table(Gpa(root)));
    guest().start();
    vcpu().edit_regs()[UserRegs::kRdi] = kData.raw();
  }
  void arm(const std::vector<Gfn>& roots) {
    std::vector<Gpa> at;
    for (const Gfn root : roots) at.emplace_back(root);
    const auto armed = vcpu().set_page_table_steps(at);
    ASSERT_TRUE(armed) << armed.error().message;
  }
  // Up to the INT3 that is no step; RAX.
  std::uint64_t run_on() {
    EXPECT_EQ(guest().expect<ExceptionEvent>().vector, kBreakpoint);
    EXPECT_EQ(vcpu().regs().rip, kBehindInt3);
    return vcpu().regs()[UserRegs::kRax];
  }
  std::uint64_t sum_from(Gfn root) {
    start_in(root);
    return run_on();
  }

  Gfn code_;
};
FL_ON_EVERY_BACKEND(PageTableSteps);

TEST_P(PageTableSteps, WithoutAnyABreakpointIsTheException) {
  const Gfn a = add(1);
  EXPECT_EQ(sum_from(a), 1U);
  EXPECT_EQ(run_on(), 2U) << "and goes on behind it";
  ASSERT_TRUE(vcpu().set_page_table_steps({}));
  EXPECT_EQ(run_on(), 3U);
  EXPECT_EQ(vcpu().page_table_steps_taken(), 0U);
}

TEST_P(PageTableSteps, MoreThanTheBackendTakesAreRefused) {
  const std::vector<Gpa> roots(can().page_table_steps + 1, Gpa(add(1)));
  EXPECT_FALSE(vcpu().set_page_table_steps(roots));
  EXPECT_EQ(possible(), GetParam() == std::string("kvm"));
}

TEST_P(PageTableSteps, EachBreakpointLoadsTheNext) {
  if (!possible()) GTEST_SKIP() << "not with this backend";
  const Gfn a = add(1), b = add(10), c = add(100);
  for (int i = 0; i < 5; ++i) {
    arm({b, c});
    EXPECT_EQ(sum_from(a), 111U);
    EXPECT_EQ(vcpu().page_table_steps_taken(), 2U);
    EXPECT_EQ(run_on(), 211U) << "they stay the vCPU's";
    arm({a, b, a, c, c});
    EXPECT_EQ(run_on(), 211U + 100 + 1 + 10 + 1 + 200);
    EXPECT_EQ(sum_from(b), 10U) << "the host's word goes before";
  }
}

TEST_P(PageTableSteps, WhatIsLeftIsForgotten) {
  if (!possible()) GTEST_SKIP() << "not with this backend";
  const Gfn a = add(1), b = add(10), c = add(100);
  arm({b, c});
  arm({c});
  EXPECT_EQ(sum_from(a), 101U);
  arm({b, b});
  arm({});
  EXPECT_EQ(sum_from(a), 1U);
}

TEST_P(PageTableSteps, AsManyAsThereAreAtMost) {
  if (!possible()) GTEST_SKIP() << "not with this backend";
  const Gfn a = add(1);
  std::uint64_t sum = 1;
  std::vector<Gfn> roots;
  for (std::uint64_t i = 0; i < can().page_table_steps; ++i) {
    roots.push_back(add(1000 + i));
    sum += 1000 + i;
  }
  arm(roots);
  EXPECT_EQ(sum_from(a), sum);
}

TEST_P(PageTableSteps, AFaultOnTheWayIsOfTheOneThatIsLoaded) {
  if (!possible()) GTEST_SKIP() << "not with this backend";
  const Gfn a = add(1), b = add_without_data(), c = add(100);
  arm({b, c});
  start_in(a);
  EXPECT_EQ(guest().expect<PageFaultEvent>().address, kData);
  EXPECT_EQ(vcpu().page_table_steps_taken(), 1U);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 1U);
  const Gfn data = guest().frame();
  guest().page(data)[0] = std::byte{10};
  guest().entry_in(b, kData) = mmu::Pte::make(data, kUserPage).raw();
  EXPECT_EQ(run_on(), 111U);
}

// What a CPU kept of one from the last time it was there is not used.
TEST_P(PageTableSteps, EditsBetweenAreSeen) {
  if (!possible()) GTEST_SKIP() << "not with this backend";
  const Gfn a = add(1), b = add(10), c = add(100);
  for (std::uint64_t value = 20; value < 30; ++value) {
    arm({b, c, b});
    sum_from(a);
    std::uint64_t& entry = guest().entry_in(b, kData);
    const mmu::FrameRange before{mmu::Pte(entry).frame(), 1};
    const Gfn fresh = guest().frame();
    std::memcpy(guest().page(fresh), &value, sizeof value);
    entry = mmu::Pte::make(fresh, kUserPage).raw();
    guest().machine().sink().flush(
        {.root = Gpa(b), .start = kData, .end = kData + kPageSize, .frames = std::span(&before, 1), .pages = 1});
    EXPECT_EQ(sum_from(b), value);
    arm({b});
    EXPECT_EQ(sum_from(a), 1 + value);
  }
}

// The one that a step loaded ends, and another address space gets its root.
TEST_P(PageTableSteps, TablesThatEndAfterwardsAreLeft) {
  if (!possible()) GTEST_SKIP() << "not with this backend";
  const Gfn a = add(1), b = add(10);
  for (int i = 0; i < 5; ++i) {
    arm({b});
    EXPECT_EQ(sum_from(a), 11U);
    guest().machine().sink().end(Gpa(b));
    EXPECT_EQ(sum_from(a), 1U);
  }
}

// A signal may come in the middle of a step. None is lost or taken twice, nor is a kick.
TEST_P(PageTableSteps, ThatAreInterruptedGoOn) {
  if (!possible()) GTEST_SKIP() << "not with this backend";
  const Gfn a = add(1), b = add(10), c = add(100);
  const std::vector<Gfn> roots{b, c, b, c, b, c, b, c, b, c, b, c, b, c, b, c, b, c, b, c};
  unsigned kicks = 0;
  const KickingThread kicking(vcpu(), std::chrono::microseconds(60));
  for (int i = 0; i < 300; ++i) {
    arm(roots);
    start_in(a);
    for (;;) {
      const auto event = vcpu().run();
      ASSERT_TRUE(event) << event.error().message;
      if (std::holds_alternative<InterruptedEvent>(*event)) {
        ++kicks;
        continue;
      }
      ASSERT_TRUE(std::holds_alternative<ExceptionEvent>(*event)) << TinyGuest::describe(*event);
      break;
    }
    ASSERT_EQ(vcpu().regs()[UserRegs::kRax], 1 + 10 * 110U);
    ASSERT_EQ(vcpu().regs().rip, kBehindInt3);
  }
  EXPECT_GT(kicks, 0U);
}

}  // namespace
}  // namespace faultline::vmm::testing

// Several programs under way at once in one guest: what is seen of each is what it shows alone.
#include <gmock/gmock.h>

#include <random>

#include "tests/fuzz/backend_fixture.hpp"
#include "tests/fuzz/trace_text.hpp"
#include "tests/vcpu/vcpu_test.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/text.hpp"
#include "vmm/run/backend.hpp"

namespace faultline::vmm::fuzz {
namespace {

std::vector<Program> generated(unsigned count, std::uint64_t seed) {
  std::vector<Program> programs;
  for (unsigned i = 0; i < count; ++i) {
    std::mt19937_64 random(seed + i);
    Program& made = programs.emplace_back(generate(random, {.raw = i % 10 == 7, .failures = i % 4 == 1}));
    // Its single-step trap comes before the instruction that IRETQ goes to, over and over.
    if (vmm::testing::on_tcg()) std::erase_if(made.operations, [](const Operation& o) { return o.op == Op::kFetch; });
  }
  return programs;
}

Program parsed(const std::string& lines) {
  auto program = parse_text(std::string(kTextHeader) + "\n" + lines, "test");
  FL_CHECK(program);
  return *program;
}

class TogetherTest : public GuestTest {
 protected:
  struct Seen {
    std::vector<std::string> text;
    GuestCost cost;
  };
  Seen run(const std::vector<Program>& programs, unsigned at_once) {
    guest_->set_at_once(at_once);
    std::vector<const Program*> all;
    for (const Program& program : programs) all.push_back(&program);
    Seen seen;
    for (const auto& trace : guest_->run_many(all)) {
      seen.text.push_back(trace ? text_of(*trace) : trace.error().message);
      if (trace) seen.cost += trace->guest;
    }
    return seen;
  }
  static void expect_same(const std::vector<Program>& programs, const Seen& one, const Seen& other) {
    ASSERT_EQ(one.text.size(), programs.size());
    ASSERT_EQ(other.text.size(), programs.size());
    for (std::size_t i = 0; i < programs.size(); ++i) ASSERT_EQ(one.text[i], other.text[i]) << to_text(programs[i]);
  }
};

TEST_P(TogetherTest, EachIsAsItIsAlone) {
  const auto programs = generated(200, 5'000'000);
  const Seen alone = run(programs, 1), together = run(programs, GuestJudge::kMostTogether), few = run(programs, 3);
  expect_same(programs, alone, together);
  expect_same(programs, alone, few);
  EXPECT_EQ(alone.cost.steps, 0U);
  EXPECT_EQ(alone.cost.faults, together.cost.faults);
  EXPECT_LE(alone.cost.list_ends, together.cost.list_ends + together.cost.steps) << "a signal may end a list, too";
  RecordProperty("entries_alone", std::to_string(alone.cost.entries));
  RecordProperty("entries_together", std::to_string(together.cost.entries));
  RecordProperty("list_ends_alone", std::to_string(alone.cost.list_ends));
  RecordProperty("list_ends_together", std::to_string(together.cost.list_ends));
  const bool can_step = guest_->most_together() > 1;
  EXPECT_EQ(can_step, backend() == "kvm");
  if (!can_step) {
    EXPECT_EQ(alone.cost.list_ends, together.cost.list_ends);
    return;
  }
  EXPECT_LT(together.cost.list_ends * 4, alone.cost.list_ends);
  EXPECT_EQ(alone.cost.entries - together.cost.entries, alone.cost.list_ends - together.cost.list_ends);
  EXPECT_GT(few.cost.list_ends, together.cost.list_ends);
}

// 64 pages in each of five windows in each of four processes are more than an arena has.
std::string touch_all() {
  std::string lines;
  for (const char* place : {"512g-32p", "1g-32p", "2m-32p", "top-64p", "low"})
    lines += std::string("advise ") + place + " 64p populate-write\n";
  return lines;
}

TEST_P(TogetherTest, AProgramThatWantsMoreThanAnArenaGetsIt) {
  std::string lines;
  for (const char* place : {"512g-32p", "1g-32p", "2m-32p", "top-64p", "low"})
    lines += std::string("map ") + place + " 64p rw- private,fixed anonymous 0\n";
  lines += touch_all() + "fork\nfork\nfork\n";
  for (const char* process : {"1", "2", "3"}) lines += std::string("switch ") + process + "\n" + touch_all();
  const Program large = parsed(lines + "write 8 low 3\nread 8 low\n");
  std::vector<Program> programs = generated(20, 6'000'000);
  programs[3] = programs[11] = large;
  const Seen alone = run(programs, 1), together = run(programs, GuestJudge::kMostTogether);
  expect_same(programs, alone, together);
  const auto trace = guest_->run(large);
  ASSERT_TRUE(trace);
  for (const StepResult& step : trace->steps) {
    EXPECT_EQ(step.end, StepEnd::kDone);
    EXPECT_GE(step.result, 0) << "memory is not short";
  }
  EXPECT_THAT(trace->broken, ::testing::IsEmpty());
  const auto after = guest_->run(large);
  ASSERT_TRUE(after);
  EXPECT_EQ(text_of(*after), text_of(*trace));
}

TEST_P(TogetherTest, WritesStayInTheirArenas) {
  if (backend() != "kvm") GTEST_SKIP() << "no log of dirty pages";
  if (guest_->machine().sink().tables_reusable_after_flush())
    GTEST_SKIP() << "two-dimensional paging: KVM makes writable, and notes, what is only read";
  ASSERT_TRUE(guest_->check_dirty_pages(true));
  auto programs = generated(40, 7'000'000);
  // Those that corrupt page tables may write anywhere.
  std::erase_if(programs, [](const Program& p) {
    return std::ranges::any_of(p.operations, [](const Operation& o) { return row(o.op).op_class == OpClass::kRaw; });
  });
  for (const std::string& text : run(programs, GuestJudge::kMostTogether).text)
    EXPECT_EQ(text.find("broken"), std::string::npos) << text;
}

TEST_P(TogetherTest, NoneIsNone) { EXPECT_TRUE(guest_->run_many({}).empty()); }

INSTANTIATE_TEST_SUITE_P(Backend, TogetherTest, every_backend(), backend_name);

// A vCPU that the host fails with as soon as its user code touches a certain place, and for good.
class FragileVcpu final : public Vcpu {
 public:
  static constexpr std::uint64_t kFatalPage = kWindows[4].start;  // low
  explicit FragileVcpu(std::unique_ptr<Vcpu> real) : real_(std::move(real)) {}
  Result<VcpuEvent> run() override {
    if (!dead_) {
      auto event = real_->run();
      const auto* fault = event ? std::get_if<PageFaultEvent>(&*event) : nullptr;
      dead_ = fault != nullptr && fault->address.page_base().raw() == kFatalPage;
      if (!dead_) return event;
    }
    return fail("KVM_RUN: it broke");
  }
  [[nodiscard]] const UserRegs& regs() const override { return real_->regs(); }
  UserRegs& edit_regs() override { return real_->edit_regs(); }
  [[nodiscard]] Result<std::uint64_t> fs_base() override { return real_->fs_base(); }
  Result<void> set_fs_base(std::uint64_t base) override { return real_->set_fs_base(base); }
  [[nodiscard]] Result<std::uint64_t> gs_base() override { return real_->gs_base(); }
  Result<void> set_gs_base(std::uint64_t base) override { return real_->set_gs_base(base); }
  [[nodiscard]] std::size_t xsave_size() const override { return real_->xsave_size(); }
  [[nodiscard]] std::uint64_t xsave_features() const override { return real_->xsave_features(); }
  Result<void> get_xsave(std::span<std::byte> area) override { return real_->get_xsave(area); }
  Result<void> set_xsave(std::span<const std::byte> area) override { return real_->set_xsave(area); }
  Result<void> set_page_table(Gpa root) override { return real_->set_page_table(root); }
  Result<void> set_page_table_steps(std::span<const Gpa> roots) override { return real_->set_page_table_steps(roots); }
  [[nodiscard]] std::size_t page_table_steps_taken() const override { return real_->page_table_steps_taken(); }
  void kick() override { real_->kick(); }
  [[nodiscard]] const RunTimes& last_run() const override { return real_->last_run(); }
  [[nodiscard]] const VcpuCapabilities& capabilities() const override { return real_->capabilities(); }
  [[nodiscard]] unsigned index() const override { return real_->index(); }

 private:
  std::unique_ptr<Vcpu> real_;
  bool dead_ = false;
};

class FragileMachine final : public Machine {
 public:
  explicit FragileMachine(std::unique_ptr<Machine> real) : real_(std::move(real)) {}
  [[nodiscard]] mmu::FrameAllocator& frames() override { return real_->frames(); }
  [[nodiscard]] mmu::TlbSink& sink() override { return real_->sink(); }
  [[nodiscard]] Gfn kernel_half() const override { return real_->kernel_half(); }
  [[nodiscard]] mmu::UserHalf* user_half() override { return real_->user_half(); }
  [[nodiscard]] mmu::PagingMode mode() const override { return real_->mode(); }
  Result<std::unique_ptr<Vcpu>> create_vcpu() override {
    ++vcpus;
    auto vcpu = real_->create_vcpu();
    if (!vcpu) return vcpu;
    return std::unique_ptr<Vcpu>(std::make_unique<FragileVcpu>(std::move(*vcpu)));
  }
  [[nodiscard]] std::string_view backend() const override { return real_->backend(); }
  unsigned vcpus = 0;

 private:
  std::unique_ptr<Machine> real_;
};

class FailingTest : public BackendTest {};

// The others are judged as if it had not been among them, and so is what comes afterwards.
TEST_P(FailingTest, AFailureIsOfTheProgramThatFailsAlone) {
  auto real = create_machine({.memory_bytes = GuestJudge::kBytes, .backend = backend()});
  if (!real && backend() == "hosted") GTEST_SKIP() << real.error().message;
  ASSERT_TRUE(real) << real.error().message;
  auto fragile = std::make_unique<FragileMachine>(std::move(*real));
  const FragileMachine& machine = *fragile;
  auto judge = GuestJudge::create_on(std::move(fragile));
  ASSERT_TRUE(judge) << judge.error().message;
  (*judge)->set_at_once(GuestJudge::kMostTogether);
  const Program sound = parsed("map 1g 2p rw- private,fixed anonymous 0\nwrite 8 1g 1\nfork\nswitch 1\nread 8 1g\n");
  const Program fatal = parsed("map low 2p rw- private,fixed anonymous 0\nresident low 1p\nread 8 low\n");
  const auto before = (*judge)->run(sound);
  ASSERT_TRUE(before) << before.error().message;
  const auto answers = (*judge)->run_many(std::vector{&sound, &sound, &fatal, &sound, &fatal, &sound});
  ASSERT_EQ(answers.size(), 6U);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const bool dies = i == 2 || i == 4;
    ASSERT_EQ(answers[i].has_value(), !dies) << i;
    const std::string said = dies ? answers[i].error().message : text_of(*answers[i]);
    EXPECT_THAT(said, ::testing::HasSubstr(dies ? "it broke" : text_of(*before)));
  }
  EXPECT_EQ(machine.vcpus, 1U + 1 + 2) << "one after the failure of all, and after each of those that failed alone";
  const auto after = (*judge)->run(sound);
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(text_of(*after), text_of(*before));
}

INSTANTIATE_TEST_SUITE_P(Backend, FailingTest, every_backend(), backend_name);

}  // namespace
}  // namespace faultline::vmm::fuzz

// The sinks against the hardware: what user code reads after the host changed its translation.
#include "tests/kvm/kvm_guest.hpp"

namespace faultline::vmm::testing {
namespace {

using mmu::Pte;

class Sink : public KvmTest {
 protected:
  void SetUp() override {
    KvmTest::SetUp();
    if (IsSkipped()) return;
    // start: mov rax, [rdi]; syscall; mov [rdi], rbx; syscall
    guest().load({0x48, 0x8b, 0x07, 0x0f, 0x05, 0x48, 0x89, 0x1f, 0x0f, 0x05});
    first_ = guest().frame();
    second_ = guest().frame();
    word(first_) = 1;
    word(second_) = 2;
    guest().entry(kProbe) = Pte::make(first_, kUserPage).raw();
  }
  std::uint64_t& word(Gfn frame) { return *reinterpret_cast<std::uint64_t*>(guest().page(frame)); }
  void at(std::uint64_t offset) {
    UserRegs& r = vcpu().edit_regs();
    r.rip = kCode.raw() + offset;
    r[UserRegs::kRdi] = kProbe.raw();
  }
  std::uint64_t read() {
    at(0);
    guest().expect<SyscallEvent>();
    return vcpu().regs()[UserRegs::kRax];
  }
  mmu::TlbAction flush(Gfn stale, std::uint64_t frames = 1) {
    const mmu::FrameRange range{stale, frames};
    return guest().machine().sink().flush(
        {Gpa(guest().root()), kProbe, kProbe + kPageSize, std::span(&range, 1), frames, false});
  }

  static constexpr Gva kProbe{0x70'0000};
  static constexpr std::uint64_t kWriteCode = 5;
  Gfn first_, second_;
};

TEST_F(Sink, AnotherFrameIsSeenAfterTheFlush) {
  EXPECT_EQ(read(), 1U);
  guest().entry(kProbe) = Pte::make(second_, kUserPage).raw();
  EXPECT_NE(flush(first_), mmu::TlbAction::kNone);
  EXPECT_EQ(read(), 2U);
}

TEST_F(Sink, AnUnmappedPageFaultsAfterTheFlush) {
  EXPECT_EQ(read(), 1U);
  guest().entry(kProbe) = 0;
  flush(first_);
  at(0);
  EXPECT_EQ(guest().expect<PageFaultEvent>().address, kProbe);
}

TEST_F(Sink, AWriteProtectedPageFaultsOnWriteAfterTheFlush) {
  at(kWriteCode);
  guest().expect<SyscallEvent>();
  guest().entry(kProbe) &= ~Pte::kWrite;
  flush(first_);
  at(kWriteCode);
  const auto fault = guest().expect<PageFaultEvent>();
  EXPECT_EQ(fault.error.raw(), mmu::ErrorCode::kPresent | mmu::ErrorCode::kWrite | mmu::ErrorCode::kUser);
  EXPECT_EQ(read(), 0U);  // rbx
}

TEST_F(Sink, AccessedIsSetAgainAfterTheFlush) {
  EXPECT_EQ(read(), 1U);
  guest().entry(kProbe) &= ~Pte::kAccessed;
  flush(first_);
  EXPECT_EQ(read(), 1U);
  EXPECT_TRUE(Pte(guest().entry(kProbe)).accessed());
}

TEST_F(Sink, ContentsSurviveTheFlush) {
  EXPECT_EQ(read(), 1U);
  for (unsigned i = 0; i < 100; ++i) flush(first_);
  EXPECT_EQ(word(first_), 1U);
  EXPECT_EQ(read(), 1U);
}

TEST_F(Sink, ALargeBatchIsSeenAsWell) {
  EXPECT_EQ(read(), 1U);
  guest().entry(kProbe) = Pte::make(second_, kUserPage).raw();
  flush(first_, kvm::ShadowSink::kMaxPagesByFrame + 1);
  EXPECT_EQ(read(), 2U);
}

// The dangerous case: the entry above points to another table, and the old one is reused.
TEST_F(Sink, AReplacedTableIsSeenAfterAFullDrop) {
  EXPECT_EQ(read(), 1U);
  constexpr Gva kElsewhere{kProbe.raw() + (64ULL << 20)};
  guest().entry(kElsewhere) = Pte::make(second_, kUserPage).raw();
  std::uint64_t* tables[2] = {};
  unsigned n = 0;
  for (const Gva va : {kProbe, kElsewhere}) {
    Gfn table = guest().root();
    for (mmu::Level level = mmu::levels(guest().machine().mode()); level > 2; --level) {
      table = Pte(reinterpret_cast<std::uint64_t*>(guest().page(table))[mmu::table_index(va, level)]).frame();
    }
    tables[n++] = reinterpret_cast<std::uint64_t*>(guest().page(table)) + mmu::table_index(va, 2);
  }
  // Both have the probe at the same index of their page table: exchange the tables.
  guest().map(kCode + (64ULL << 20));  // code, for the probe's neighbours moved as well
  std::memcpy(guest().page(Pte(guest().entry(kCode + (64ULL << 20))).frame()),
              guest().page(Pte(guest().entry(kCode)).frame()), kPageSize);
  std::swap(*tables[0], *tables[1]);
  guest().machine().sink().drop_all();
  EXPECT_EQ(read(), 2U);
}

TEST_F(Sink, ChoiceNamesItsReason) {
  auto machine = kvm::KvmMachine::create({});
  ASSERT_TRUE(machine.has_value()) << machine.error().message;
  const kvm::SinkChoice& choice = (*machine)->sink_choice();
  EXPECT_TRUE(choice.name == "shadow" || choice.name == "two-dimensional") << choice.name;
  EXPECT_FALSE(choice.reason.empty());
  EXPECT_EQ(choice.sink->tables_reusable_after_flush(), choice.name == "two-dimensional");
}

TEST_F(Sink, TheWrongSinkIsRefused) {
  auto machine = kvm::KvmMachine::create({});
  ASSERT_TRUE(machine.has_value());
  if ((*machine)->backend_info().paging != kvm::HostPaging::kShadow) GTEST_SKIP() << "needs shadow paging";
  MachineConfig config;
  config.sink = "two-dimensional";
  const auto refused = create_kvm_machine(config);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("old page"), std::string::npos) << refused.error().message;
  config.sink = "nonsense";
  const auto unknown = create_kvm_machine(config);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_NE(unknown.error().message.find("nonsense"), std::string::npos);
}

// A flush that is asked for while user code was interrupted is paid before it runs on.
TEST_F(Sink, FlushAfterAnInterruption) {
  EXPECT_EQ(read(), 1U);
  at(0);
  vcpu().kick();
  guest().expect<InterruptedEvent>();
  guest().entry(kProbe) = Pte::make(second_, kUserPage).raw();
  flush(first_);
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRax], 2U);
}

}  // namespace
}  // namespace faultline::vmm::testing

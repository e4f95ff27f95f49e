// Several address spaces on one vCPU: whatever the backend keeps of one while another runs, user code
// sees what the tables say.
#include <algorithm>
#include <array>
#include <map>
#include <random>

#include "tests/vcpu/kicking_thread.hpp"
#include "tests/vcpu/vcpu_test.hpp"

namespace faultline::vmm::testing {
namespace {

class AddressSpaces : public VcpuTest {
 protected:
  void SetUp() override {
    VcpuTest::SetUp();
    if (IsSkipped()) return;
    guest().load({0x48, 0x8b, 0x07, 0x0f, 0x05});  // mov rax, [rdi]; syscall
    code_ = mmu::Pte(guest().entry(kCode)).frame();
  }

  // A new address space with the same code, and a page at kData whose first word is `value`.
  Gfn add(std::uint64_t value) {
    guest().new_root();
    guest().entry(kCode) = mmu::Pte::make(code_, kUserPage).raw();
    set_word(guest().map(kData), value);
    return guest().root();
  }
  static void set_word(std::byte* page, std::uint64_t value) { std::memcpy(page, &value, sizeof value); }
  // Another page at `va` of the tables at `root`, invalidated as mmu does it.
  void replace(Gfn root, Gva va, std::uint64_t value) {
    std::uint64_t& entry = guest().entry_in(root, va);
    const mmu::FrameRange before{mmu::Pte(entry).frame(), entry == 0 ? 0U : 1U};
    const Gfn fresh = guest().frame();
    set_word(guest().page(fresh), value);
    entry = mmu::Pte::make(fresh, kUserPage).raw();
    flush(root, va, 1, std::span(&before, before.count));
  }
  mmu::TlbAction flush(Gfn root, Gva va, std::uint64_t pages, std::span<const mmu::FrameRange> frames) {
    return guest().machine().sink().flush(
        {.root = Gpa(root), .start = va, .end = va + pages * kPageSize, .frames = frames, .pages = pages});
  }
  void switch_to(Gfn root) {
    const auto switched = vcpu().switch_process(Gpa(root), {});
    ASSERT_TRUE(switched.has_value()) << switched.error().message;
  }
  // What user code reads at `va`; ~0 when it faults there.
  std::uint64_t read(Gva va = kData) {
    guest().start();
    vcpu().edit_regs()[UserRegs::kRdi] = va.raw();
    for (;;) {
      const auto event = vcpu().run();
      if (!event) {
        ADD_FAILURE() << event.error().message;
        return 0;
      }
      if (std::holds_alternative<InterruptedEvent>(*event)) continue;
      if (std::holds_alternative<PageFaultEvent>(*event)) return ~0ULL;
      EXPECT_TRUE(std::holds_alternative<SyscallEvent>(*event)) << TinyGuest::describe(*event);
      return vcpu().regs()[UserRegs::kRax];
    }
  }
  std::uint64_t read_in(Gfn root, Gva va = kData) {
    switch_to(root);
    return read(va);
  }

  Gfn code_;
};
FL_ON_EVERY_BACKEND(AddressSpaces);

TEST_P(AddressSpaces, HaveOtherThingsAtTheSameAddress) {
  const Gfn a = add(1), b = add(2);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(read_in(a), 1U);
    EXPECT_EQ(read_in(b), 2U);
  }
}

// More than any cache of them has slots.
TEST_P(AddressSpaces, AreManyMoreThanTwo) {
  std::vector<Gfn> roots;
  for (std::uint64_t i = 0; i < 11; ++i) roots.push_back(add(100 + i));
  for (int round = 0; round < 3; ++round)
    for (std::uint64_t i = 0; i < roots.size(); ++i) EXPECT_EQ(read_in(roots[i]), 100 + i);
}

TEST_P(AddressSpaces, AnEditOfOneThatIsNotLoadedIsSeen) {
  const Gfn a = add(1), b = add(2);
  EXPECT_EQ(read_in(a), 1U);
  EXPECT_EQ(read_in(b), 2U);
  replace(a, kData, 3);
  EXPECT_EQ(read(), 2U);
  EXPECT_EQ(read_in(a), 3U);
  EXPECT_EQ(read_in(b), 2U);
  replace(a, kData, 4);
  replace(b, kData, 5);
  EXPECT_EQ(read(), 5U);
  EXPECT_EQ(read_in(a), 4U);
}

// As a fork does: both map one page for reading, and the one that writes gets a page of its own.
TEST_P(AddressSpaces, ASharedPageIsCopiedInOneOnly) {
  // mov rax, [rdi]; syscall; mov [rdi], rbx; syscall
  constexpr std::uint64_t kWrite = 5;
  const std::array<unsigned, 10> code = {0x48, 0x8b, 0x07, 0x0f, 0x05, 0x48, 0x89, 0x1f, 0x0f, 0x05};
  std::ranges::transform(code, guest().page(code_), [](unsigned byte) { return static_cast<std::byte>(byte); });
  const Gfn parent = add(7), child = add(0);
  EXPECT_EQ(read_in(parent), 7U);
  const Gfn shared = mmu::Pte(guest().entry_in(parent, kData)).frame();
  const mmu::FrameRange stale{shared, 1};
  guest().entry_in(parent, kData) &= ~mmu::Pte::kWrite;
  guest().entry_in(child, kData) = mmu::Pte::make(shared, kUserPage & ~mmu::Pte::kWrite).raw();
  flush(parent, kData, 1, std::span(&stale, 1));
  EXPECT_EQ(read_in(child), 7U);
  for (const Gfn writer : {child, parent}) {
    switch_to(writer);
    guest().start();
    UserRegs& r = vcpu().edit_regs();
    r.rip = kCode.raw() + kWrite;
    r[UserRegs::kRdi] = kData.raw();
    r[UserRegs::kRbx] = 8;
    const auto fault = guest().expect<PageFaultEvent>();
    EXPECT_EQ(fault.address, kData);
    EXPECT_TRUE(fault.error.write() && fault.error.present());
    if (writer == child) replace(child, kData, 7);
    if (writer == child) guest().expect<SyscallEvent>();
  }
  EXPECT_EQ(read_in(child), 8U);
  EXPECT_EQ(read_in(parent), 7U);
}

// Few pages, as many as are invalidated one by one, and more than that.
TEST_P(AddressSpaces, RangesOfEveryLengthAreInvalidated) {
  const Gfn a = add(1);
  constexpr std::uint64_t kMost = 40;
  const auto page = [](std::uint64_t i) { return kData + i * kPageSize; };
  std::uint64_t value = 1000;
  for (std::uint64_t i = 0; i < kMost; ++i) replace(a, page(i), value + i);
  for (const std::uint64_t count : {1U, 2U, 33U, 34U, 40U}) {
    for (std::uint64_t i = 0; i < kMost; ++i) EXPECT_EQ(read_in(a, page(i)), value + i);
    std::vector<mmu::FrameRange> before;
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint64_t& entry = guest().entry_in(a, page(i));
      before.push_back({mmu::Pte(entry).frame(), 1});
      const Gfn fresh = guest().frame();
      set_word(guest().page(fresh), value + 100 + i);
      entry = mmu::Pte::make(fresh, kUserPage).raw();
    }
    flush(a, kData, count, before);
    for (std::uint64_t i = 0; i < kMost; ++i) EXPECT_EQ(read(page(i)), value + i + (i < count ? 100 : 0)) << count;
    for (std::uint64_t i = 0; i < kMost; ++i) replace(a, page(i), value + 200 + i);
    value += 200;
  }
}

// The root and what hangs from it serve as something else at once, and then as the next one's.
TEST_P(AddressSpaces, OneThatEndsLeavesNothingBehind) {
  const Gfn stays = add(1);
  std::map<Gfn, int> used;
  for (std::uint64_t i = 0; i < 10; ++i) {
    const Gfn root = add(100 + i);
    ++used[root];
    EXPECT_EQ(read_in(root), 100 + i);
    if (i % 3 == 1) {
      EXPECT_EQ(read_in(stays), 1U);
    }
    guest().machine().sink().end(Gpa(root));
    std::vector<Gfn> tables = {root};
    Gfn table = root;
    for (mmu::Level level = mmu::levels(guest().machine().mode()); level > 1; --level) {
      const auto* slots = reinterpret_cast<const std::uint64_t*>(guest().page(table));
      table = mmu::Pte(slots[mmu::table_index(kData, level)]).frame();
      tables.push_back(table);
    }
    for (const Gfn frame : tables) {
      std::memset(guest().page(frame), 0xff, kPageSize);
      guest().machine().frames().put(frame);
    }
    if (i % 2 == 0) {
      EXPECT_EQ(read_in(stays), 1U);
    }
  }
  EXPECT_LT(used.size(), 10U) << "no root was ever used again";
}

TEST_P(AddressSpaces, SwitchesAndInterruptionsGoTogether) {
  const Gfn a = add(1), b = add(2);
  const KickingThread kicking(vcpu(), std::chrono::microseconds(300));
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(read_in(a), i == 0 ? 1U : 1000 + i - 1);
    replace(a, kData, 1000 + i);
    EXPECT_EQ(read_in(b), 2U);
  }
}

TEST_P(AddressSpaces, AreAlwaysWhatTheirTablesSay) {
  std::mt19937_64 random(20261121);
  std::vector<Gfn> roots;
  for (int i = 0; i < 8; ++i) roots.push_back(add(1));
  constexpr std::uint64_t kPages = 5;
  std::map<std::pair<Gfn, std::uint64_t>, std::uint64_t> words;
  for (std::uint64_t step = 0; step < 400; ++step) {
    const Gfn root = roots[random() % roots.size()];
    const std::uint64_t page = 1 + random() % kPages;
    if (random() % 3 == 0) {
      replace(root, kData + page * kPageSize, words[{root, page}] = 10 + step);
      continue;
    }
    const auto known = words.find({root, page});
    EXPECT_EQ(read_in(root, kData + page * kPageSize), known == words.end() ? ~0ULL : known->second) << step;
  }
}

}  // namespace
}  // namespace faultline::vmm::testing

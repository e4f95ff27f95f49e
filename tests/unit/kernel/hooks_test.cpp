#include "mmu/kernel/hooks.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "mmu/kernel/kmemcheck.hpp"
#include "mmu/kernel/kmmio.hpp"
#include "mmu/kernel/observers.hpp"
#include "tests/unit/kernel/kernel_fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::ElementsAre;

class HooksTest : public KernelFaultTest {
 protected:
  void SetUp() override {
    KernelFaultTest::SetUp();
    for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(reference->map(area() + i * kPageSize, Gfn(20 + i), kKernelRw));
    EXPECT_TRUE(synced(half->sync(mm->tables().root(), area())));
  }
  bool present(Gva at) { return own_walk(at).mapped(); }
};
INSTANTIATE_TEST_SUITE_P(Modes, HooksTest, testing::ValuesIn(kPagingModes), test::mode_name);

TEST_P(HooksTest, AskedInOrderUntilOneClaims) {
  std::string asked;
  const auto hook = [&](char who, HookVerdict verdict) {
    return [&asked, who, verdict](const FaultRequest&) {
      asked += who;
      return verdict;
    };
  };
  hooks.add(HookPoint::kKprobes, hook('a', HookVerdict::kNotMine));
  const auto b = hooks.add(HookPoint::kKprobes, hook('b', HookVerdict::kHandled));
  hooks.add(HookPoint::kKprobes, hook('c', HookVerdict::kHandledByStep));
  const Gva nowhere = area() + (4ULL << 30);
  FaultOutcome o = kernel_fault(nowhere, 0);
  EXPECT_EQ(asked, "ab");
  EXPECT_EQ(o.path.decided_by(), FaultStep::kKprobes);
  EXPECT_TRUE(o.resolved());
  EXPECT_FALSE(o.single_step);
  hooks.remove(b);
  o = kernel_fault(nowhere, 0);
  EXPECT_EQ(asked, "abac");
  EXPECT_TRUE(o.single_step);
  // Of user code's faults they are not asked.
  EXPECT_FALSE(fault(nowhere, 4).resolved());
  EXPECT_EQ(asked, "abac");
  // User addresses, kernel code: before any lookup.
  EXPECT_EQ(kernel_fault(kBase, 2).path.decided_by(), FaultStep::kKprobes);
}

TEST_P(HooksTest, KmmioTracesAndArmsAgain) {
  std::vector<std::string> seen;
  {
    Kmmio kmmio(hooks, *reference, [&](const MmioAccess& a) {
      seen.push_back(
          fmt::format("{} {} {:#x} {} {:#x}", a.number, a.write ? "W" : "R", a.address - area(), a.bytes, a.value));
      EXPECT_EQ(a.physical, Gpa(Gfn(20)) + (a.address - area()));
    });
    EXPECT_FALSE(kmmio.trace(area() + 64 * kPageSize)) << "nothing is mapped there";
    EXPECT_TRUE(kmmio.trace(area() + 0x10));
    EXPECT_FALSE(kmmio.trace(area())) << "once is enough";
    EXPECT_FALSE(present(area()));
    EXPECT_FALSE(kmmio.stepped()) << "nobody asked for a step";
    for (int round = 0; round < 2; ++round) {
      const FaultOutcome o = kernel_fault(area() + 8, round == 0 ? 2 : 0);
      EXPECT_EQ(o.path.decided_by(), FaultStep::kKmmio);
      EXPECT_TRUE(o.single_step);
      EXPECT_TRUE(present(area()));
      kmmio.bus(Gpa(Gfn(20)) + 8, round == 0, 4, 0x1234);
      kmmio.bus(Gpa(Gfn(21)) + 8, round == 0, 4, 0x9999);  // not traced
      EXPECT_TRUE(kmmio.stepped());
      EXPECT_FALSE(present(area())) << "armed again";
    }
    // A fault while the page is shown is somebody else's.
    EXPECT_TRUE(kernel_fault(area(), 0).single_step);
    EXPECT_NE(kernel_fault(area(), 0).path.decided_by(), FaultStep::kKmmio);
    EXPECT_NE(kernel_fault(area(), 1).path.decided_by(), FaultStep::kKmmio);
    EXPECT_TRUE(kmmio.stepped());
    EXPECT_TRUE(kmmio.untrace(area()));
    EXPECT_FALSE(kmmio.untrace(area()));
    EXPECT_TRUE(present(area()));
    EXPECT_TRUE(kmmio.trace(area()));
  }
  EXPECT_TRUE(present(area())) << "shown when the tracer goes";
  EXPECT_THAT(seen, ElementsAre("1 W 0x8 4 0x1234", "2 R 0x8 4 0x1234"));
}

TEST_P(HooksTest, TrapPagesLeaveAloneWhatIsNotTheirs) {
  TrapPages pages(*reference);
  ASSERT_TRUE(reference->map(area() + level_span(2), Gfn(512), kKernelRw, 2));
  EXPECT_FALSE(pages.add(area() + level_span(2))) << "a huge page";
  ASSERT_TRUE(pages.add(area()));
  EXPECT_FALSE(pages.show(area() + kPageSize));
  // Somebody maps another page there meanwhile.
  ASSERT_TRUE(reference->map(area(), Gfn(30), kKernelRo));
  EXPECT_TRUE(pages.remove(area()));
  EXPECT_EQ(reference->walk(area()).last().entry.frame(), Gfn(30));
  // The table under it goes away.
  ASSERT_TRUE(pages.add(area()));
  const PteSlot pmd = reference_slot(area(), 2);
  const std::uint64_t table = pmd.load().raw();
  poke(pmd, 0);
  EXPECT_TRUE(pages.show(area()));
  EXPECT_FALSE(pages.hide());
  poke(pmd, table);
}

TEST_P(HooksTest, KmemcheckFindsReadsOfWhatNobodyWrote) {
  std::vector<MemoryAccess> accesses;
  std::vector<std::string> seen;
  Kmemcheck check(
      hooks, *reference, [&](const FaultRequest&) { return accesses; },
      [&](const UninitialisedRead& r) {
        seen.push_back(fmt::format("{:#x} {} {:#x}", r.address - area(), r.bytes, r.unwritten));
      });
  EXPECT_FALSE(check.track(area() + 64 * kPageSize));
  ASSERT_TRUE(check.track(area()));
  ASSERT_TRUE(check.track(area() + kPageSize));
  const auto access = [&](std::uint64_t at, unsigned bytes, bool read, bool write) {
    accesses = {{area() + at, bytes, read, write}};
    const FaultOutcome o = kernel_fault(area() + at, write ? 2 : 0);
    EXPECT_EQ(o.path.decided_by(), FaultStep::kKmemcheck);
    EXPECT_TRUE(o.single_step);
    EXPECT_TRUE(check.stepped());
  };
  access(0, 4, false, true);
  access(0, 4, true, false);
  EXPECT_TRUE(seen.empty());
  access(0, 8, true, false);
  EXPECT_THAT(seen, ElementsAre("0x4 8 0xf0"));
  access(0, 8, true, false);
  EXPECT_EQ(seen.size(), 1U) << "said once";
  access(0x20, 4, true, true);  // reads, then writes
  EXPECT_EQ(seen.back(), "0x20 4 0xf");
  // Over the end of one tracked page into the next; then into one that is not tracked.
  access(0xffc, 8, true, false);
  EXPECT_EQ(seen.back(), "0xffc 8 0xff");
  access(0x1ffc, 8, true, false);
  EXPECT_EQ(seen.back(), "0x1ffc 8 0xf");
  access(0x1ff8, 16, false, true);
  access(0x1ff8, 8, true, false);
  EXPECT_EQ(seen.size(), 4U);
  // An access round the end of the address space: what lies behind it is not tracked.
  accesses = {{Gva(~0ULL - 3), 8, true, true}, {Gva(~0ULL), 64, true, true}};
  EXPECT_TRUE(kernel_fault(area(), 0).single_step);
  EXPECT_TRUE(check.stepped());
  EXPECT_EQ(seen.size(), 4U);
  // Present pages, and others', are none of its business.
  EXPECT_NE(kernel_fault(area(), 1).path.decided_by(), FaultStep::kKmemcheck);
  EXPECT_NE(kernel_fault(area() + 64 * kPageSize, 0).path.decided_by(), FaultStep::kKmemcheck);
  EXPECT_TRUE(check.untrack(area()));
  EXPECT_FALSE(check.untrack(area()));
  EXPECT_TRUE(present(area()));
}

TEST_P(HooksTest, ContextIsEnteredAndLeft) {
  ContextTracking context(hooks);
  unsigned inside = 0;
  const auto id = hooks.add(HookPoint::kKmmio, [&](const FaultRequest&) {
    inside = context.depth();
    return HookVerdict::kNotMine;
  });
  add(kBase, 1, kRwFlags);
  fault(kBase, 6);
  EXPECT_EQ(inside, 1U);
  kernel_fault(kBase, 3);
  kernel_fault(area() + 64 * kPageSize, 0);
  EXPECT_EQ(context.from_user(), 1U);
  EXPECT_EQ(context.from_kernel(), 2U);
  EXPECT_EQ(context.depth(), 0U);
  hooks.remove(id);
}

TEST_P(HooksTest, PerfCountsWhatTheTaskCounts) {
  FaultEvents events(hooks);
  add(kBase, 2, kRwFlags);
  fault(kBase + 8, 6);
  fault(kBase + kPageSize, 4);
  fault(kBase + kPageSize, 7);
  fault(kBase + 64 * kPageSize, 4);  // fails: counted, neither minor nor major
  fault(area(), 4);                  // a kernel address: not at all
  kernel_fault(kBase, 3, {.fixup = true});
  EXPECT_EQ(events.count(PerfEvent::kPageFaults), mm->counters.perf_faults);
  EXPECT_EQ(events.count(PerfEvent::kPageFaultsMinor), mm->counters.perf_minor);
  EXPECT_EQ(events.count(PerfEvent::kPageFaultsMinor), 4U);
  EXPECT_EQ(events.count(PerfEvent::kPageFaultsMajor), 0U);
  EXPECT_EQ(events.by_page().at(kBase), 2U);
  EXPECT_EQ(events.by_page().at(kBase + kPageSize), 2U);
  EXPECT_EQ(events.by_page().size(), 3U);
  test::TestFile* raw = nullptr;
  const auto mapping = file(FileKind::kRegular, 4 * kPageSize, &raw);
  raw->cold.insert(0);
  add(kBase + 32 * kPageSize, 1, kRoFlags, mapping);
  fault(kBase + 32 * kPageSize, 4);
  EXPECT_EQ(events.count(PerfEvent::kPageFaultsMajor), 1U);
  for (const PerfEvent event : {PerfEvent::kPageFaults, PerfEvent::kPageFaultsMinor, PerfEvent::kPageFaultsMajor})
    EXPECT_NE(name(event), "?");
  EXPECT_EQ(name(static_cast<PerfEvent>(9)), "?");
}

TEST_P(HooksTest, ProbesHearOfFaultsAtTheirInstruction) {
  Probes probes(hooks);
  int called = 0;
  bool take = true;
  const Gva ip(0xffff'ffff'8100'0000);
  EXPECT_TRUE(probes.add(ip, [&](const FaultRequest&) { return ++called, take; }));
  EXPECT_FALSE(probes.add(ip, [](const FaultRequest&) { return false; }));
  EXPECT_TRUE(kernel_fault(area() + (4ULL << 30), 0).resolved());
  take = false;
  EXPECT_EQ(kernel_fault(area() + (4ULL << 30), 0).result, FaultResult::kOops);
  EXPECT_EQ(called, 2);
  EXPECT_TRUE(probes.remove(ip));
  EXPECT_FALSE(probes.remove(ip));
  EXPECT_FALSE(kernel_fault(area() + (4ULL << 30), 0).resolved());
  EXPECT_EQ(called, 2);
}

}  // namespace
}  // namespace faultline::mmu

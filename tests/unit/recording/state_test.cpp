// The state that events add up to, with and without a keyframe on the way.
#include "vmm/recording/state.hpp"

#include <gmock/gmock.h>

#include "tests/unit/recording/sample_events.hpp"

namespace faultline::vmm::recording {
namespace {

using mmu::Pte;
using testing::HasSubstr;

constexpr std::uint32_t kFirst = 100, kChild = 101;
constexpr Gpa kRoot(0x8000), kOther(0x20000);

VmaInfo area(std::uint64_t start, std::uint64_t end) {
  VmaInfo vma;
  vma.start = Gva(start), vma.end = Gva(end);
  return vma;
}

// The tables down to the page at `address`, which is mapped to frame 0x99; their frames begin at `first`.
std::vector<mmu::PteEdit> map_page(Gpa root, Gva address, std::uint64_t first) {
  std::vector<mmu::PteEdit> edits;
  Gfn table = root.page();
  for (mmu::Level level = 4; level >= 1; --level) {
    const Gfn next(level == 1 ? 0x99 : first + level);
    const Gva base(address.raw() & ~(mmu::level_span(level) - 1));
    edits.push_back({base, level, Gpa(table) + mmu::table_index(address, level) * 8, Pte(), Pte::make(next, 0x67)});
    table = next;
  }
  return edits;
}

// The last of them, undone.
mmu::PteEdit unmap_page(const std::vector<mmu::PteEdit>& mapped) {
  mmu::PteEdit edit = mapped.back();
  std::swap(edit.before, edit.after);
  return edit;
}

class StateTest : public testing::Test {
 protected:
  void apply(std::uint32_t process, Body body) {
    Event event = sample_event(10 * (state_.event + 1), process, std::move(body));
    event.number = state_.event + 1;
    state_.apply(event);
  }
  void start() {
    apply(kFirst, ProcessChange{ProcessEvent::kStart, 0, kRoot, "/bin/a", 0});
    apply(kFirst, VmaChange{"exec", {}, {}, {}, {area(0x401000, 0x405000)}});
    apply(kFirst, TableEdits{kRoot, map_page(kRoot, Gva(0x401000), 0x10)});
  }
  ProcessState& process(std::uint32_t pid) { return state_.processes.at(pid); }
  mmu::Walk walk(std::uint32_t pid, std::uint64_t address) const {
    return state_.walk(pid, Gva(address), mmu::PagingMode::kFourLevel);
  }

  MachineState state_;
};

TEST_F(StateTest, EntriesMakeAWalk) {
  start();
  const mmu::Walk mapped = walk(kFirst, 0x401234);
  ASSERT_TRUE(mapped.mapped());
  EXPECT_EQ(mapped.physical(), Gpa(0x99234));
  EXPECT_EQ(mapped.steps[0].slot, kRoot);
  EXPECT_EQ(walk(kFirst, 0x402000).end, mmu::WalkEnd::kNotPresent);
  EXPECT_EQ(walk(kFirst, 0x402000).count, 4U);
  EXPECT_EQ(walk(kFirst, 0x7000'0000'0000).count, 1U);
  EXPECT_EQ(walk(7, 0x401000).end, mmu::WalkEnd::kNotPresent) << "no such process";
  EXPECT_EQ(state_.running, kFirst);
}

TEST_F(StateTest, AnEntryThatBecomesZeroIsGone) {
  start();
  apply(kFirst, TableEdits{kRoot, {unmap_page(map_page(kRoot, Gva(0x401000), 0x10))}});
  EXPECT_EQ(walk(kFirst, 0x401000).end, mmu::WalkEnd::kNotPresent);
  EXPECT_EQ(process(kFirst).entries.size(), 3U);
}

TEST_F(StateTest, AForkedChildHasTablesOfItsOwn) {
  start();
  // Its tables are written before it is there.
  apply(kFirst, TableEdits{kOther, map_page(kOther, Gva(0x401000), 0x30)});
  EXPECT_EQ(state_.unowned.size(), 1U);
  apply(kChild, ProcessChange{ProcessEvent::kFork, kFirst, kOther, "/bin/a", 0});
  apply(kChild, VmaChange{"fork", {}, {}, {}, {area(0x401000, 0x405000)}});
  EXPECT_TRUE(state_.unowned.empty());
  EXPECT_TRUE(walk(kChild, 0x401000).mapped());
  apply(kFirst, TableEdits{kRoot, {unmap_page(map_page(kRoot, Gva(0x401000), 0x10))}});
  EXPECT_TRUE(walk(kChild, 0x401000).mapped());
  EXPECT_FALSE(walk(kFirst, 0x401000).mapped());
  apply(kChild, ProcessChange{ProcessEvent::kExit, kFirst, kOther, "/bin/a", 9});
  EXPECT_EQ(process(kChild).status, 9);
  EXPECT_TRUE(process(kChild).entries.empty());
  EXPECT_TRUE(process(kChild).vmas.empty());
}

TEST_F(StateTest, AVforkChildSharesUntilItExecutes) {
  start();
  apply(kChild, ProcessChange{ProcessEvent::kFork, kFirst, kRoot, "/bin/a", 0});
  EXPECT_TRUE(walk(kChild, 0x401000).mapped());
  EXPECT_EQ(process(kChild).vmas.size(), 1U);
  apply(kChild, VmaChange{"mmap", Gva(0x500000), Gva(0x501000), {}, {area(0x500000, 0x501000)}});
  EXPECT_EQ(process(kFirst).vmas.size(), 2U);
  apply(kChild, ProcessChange{ProcessEvent::kExec, kFirst, kOther, "/bin/b", 0});
  EXPECT_TRUE(process(kChild).vmas.empty());
  EXPECT_EQ(process(kChild).program, "/bin/b");
  EXPECT_FALSE(walk(kChild, 0x401000).mapped());
  EXPECT_TRUE(walk(kFirst, 0x401000).mapped());
  apply(kChild, VmaChange{"exec", {}, {}, {}, {area(0x600000, 0x601000)}});
  EXPECT_EQ(process(kFirst).vmas.size(), 2U);
}

TEST_F(StateTest, WhatAProgramLeavesBehindGoesEntryByEntry) {
  start();
  apply(kFirst, ProcessChange{ProcessEvent::kExec, 0, kOther, "/bin/b", 0});
  EXPECT_TRUE(process(kFirst).entries.empty());
  ASSERT_EQ(state_.unowned.size(), 1U);
  auto gone = map_page(kRoot, Gva(0x401000), 0x10);
  for (mmu::PteEdit& e : gone) std::swap(e.before, e.after);
  apply(kFirst, TableEdits{kRoot, gone});
  EXPECT_TRUE(state_.unowned.empty());
}

TEST_F(StateTest, TheFirstProcessKeepsItsMemory) {
  start();
  apply(kFirst, ProcessChange{ProcessEvent::kExit, 0, kRoot, "/bin/a", 0});
  EXPECT_EQ(process(kFirst).status, 0);
  EXPECT_TRUE(walk(kFirst, 0x401000).mapped());
}

TEST_F(StateTest, AFaultChangesTheTablesThatItWalked) {
  start();
  apply(kChild, ProcessChange{ProcessEvent::kFork, kFirst, kOther, "/bin/a", 0});
  Fault fault = sample_fault(1, Gva(0x403000), {}, 1);  // its walk begins at frame 8: the parent's
  apply(kChild, fault);
  EXPECT_EQ(process(kFirst).entries.size(), 5U);
  EXPECT_EQ(process(kChild).entries.size(), 0U);
  EXPECT_EQ(process(kChild).faults, 1U);
}

TEST_F(StateTest, AnyEventCanBeAskedFor) {
  const test::ScratchFolder folder;
  const std::string path = folder.path("recording");
  const auto events = sample_events();
  recorded(path, events);
  auto reader = Reader::open(path);
  ASSERT_TRUE(reader);
  for (std::uint64_t number = 1; number <= events.size(); ++number) {
    const auto state = state_at(**reader, number);
    ASSERT_TRUE(state) << state.error().message;
    EXPECT_EQ(state->event, number);
    EXPECT_EQ(state->time_ns, events[number - 1].time_ns);
  }
  EXPECT_EQ(state_at(**reader, 13)->running, 101U);
  EXPECT_THAT(state_at(**reader, 20).error().message, HasSubstr("no event 20: the recording has 1 to 19"));
  EXPECT_FALSE(state_at(**reader, 0));
}

// The second half of the events begins at a keyframe: the first half is not read for it.
TEST_F(StateTest, AKeyframeStandsForWhatWasBeforeIt) {
  const test::ScratchFolder folder;
  const std::string path = folder.path("recording");
  auto writer = Writer::open(path, sample_info(), {.flush_after = std::chrono::milliseconds(0)});
  ASSERT_TRUE(writer);
  (*writer)->append(10, kFirst, ProcessChange{ProcessEvent::kStart, 0, kRoot, "/bin/a", 0});
  (*writer)->append(20, kFirst, Switch{});
  (*writer)->keyframe_event(30, kFirst, ProcessChange{ProcessEvent::kStart, 0, kRoot, "/bin/of-the-keyframe", 0});
  (*writer)->keyframe_event(30, kFirst, TableEdits{kRoot, map_page(kRoot, Gva(0x401000), 0x10)});
  (*writer)->end_keyframe();
  (*writer)->append(40, kFirst, TableEdits{kRoot, {unmap_page(map_page(kRoot, Gva(0x401000), 0x10))}});
  (*writer)->append(50, kFirst, End{"exited", 0});
  ASSERT_TRUE((*writer)->close());

  auto reader = Reader::open(path);
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->last(), 4U) << "a keyframe has no events of its own";
  EXPECT_EQ(state_at(**reader, 1)->processes.at(kFirst).program, "/bin/a");
  const auto there = state_at(**reader, 2);
  EXPECT_EQ(there->processes.at(kFirst).program, "/bin/of-the-keyframe");
  EXPECT_EQ(there->event, 2U);
  EXPECT_TRUE(there->walk(kFirst, Gva(0x401000), mmu::PagingMode::kFourLevel).mapped());
  const auto after = state_at(**reader, 3);
  EXPECT_EQ(after->processes.at(kFirst).program, "/bin/of-the-keyframe");
  EXPECT_FALSE(after->walk(kFirst, Gva(0x401000), mmu::PagingMode::kFourLevel).mapped());
}

}  // namespace
}  // namespace faultline::vmm::recording

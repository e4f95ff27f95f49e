#include "mmu/phys/frame_allocator.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>

#include "tests/unit/support/guest_memory.hpp"

namespace faultline::mmu {
namespace {

using test::HostMapping;

struct FrameAllocatorTest : testing::Test {
  HostMapping host{16ULL << 20};
  PhysMemory memory{host.bytes()};
};

TEST_F(FrameAllocatorTest, HandsOutNeighboursInOrder) {
  FrameAllocator frames(memory, Gfn(16));
  Gfn previous = frames.allocate(FrameKind::kAnon, Zeroing::kNeeded).value();
  EXPECT_EQ(previous, Gfn(16));
  for (int i = 0; i < 500; ++i) {
    const Gfn next = frames.allocate(FrameKind::kAnon, Zeroing::kNeeded).value();
    EXPECT_EQ(next, previous + 1);
    previous = next;
  }
  EXPECT_EQ(frames.check_invariants(), std::nullopt);
}

TEST_F(FrameAllocatorTest, SeveralShareTheMemory) {
  FrameAllocator other(memory, Gfn(64), {}, Gfn(8));
  EXPECT_EQ(other.at(Gfn(7)).kind, FrameKind::kReserved);
  EXPECT_EQ(other.at(Gfn(8)).kind, FrameKind::kUntouched);
  EXPECT_EQ(other.allocate(FrameKind::kAnon, Zeroing::kNeeded), Gfn(64));
  EXPECT_EQ(other.total_frames(), memory.frames() - 64);
  EXPECT_EQ(other.check_invariants(), std::nullopt);
}

TEST_F(FrameAllocatorTest, GivesEveryFrameOnceAndTakesAllBack) {
  FrameAllocator frames(memory, Gfn(3));
  std::set<std::uint64_t> seen;
  while (const auto f = frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded)) {
    EXPECT_GE(f->raw(), 3u);
    EXPECT_TRUE(seen.insert(f->raw()).second);
  }
  EXPECT_EQ(seen.size(), memory.frames() - 3);
  EXPECT_EQ(frames.free_frames(), 0u);
  for (const std::uint64_t f : seen) frames.put(Gfn(f));
  EXPECT_EQ(frames.used_frames(), 0u);
  EXPECT_EQ(frames.check_invariants(), std::nullopt);
  // Everything merged again: the largest block can be had.
  EXPECT_TRUE(frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded, kMaxOrder));
}

TEST_F(FrameAllocatorTest, ZeroesOnlyWhatWasUsedBefore) {
  FrameAllocator frames(memory, Gfn(16));
  const Gfn f = frames.allocate(FrameKind::kAnon, Zeroing::kNeeded).value();
  memory.page(f)[100] = std::byte{7};
  frames.put(f);
  const Gfn dirty = frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded).value();
  ASSERT_EQ(dirty, f);
  EXPECT_EQ(memory.page(f)[100], std::byte{7});
  frames.put(f);
  const Gfn clean = frames.allocate(FrameKind::kAnon, Zeroing::kNeeded).value();
  ASSERT_EQ(clean, f);
  EXPECT_EQ(memory.page(f)[100], std::byte{0});
}

TEST_F(FrameAllocatorTest, AsksBeforeItTouchesMoreMemory) {
  std::uint64_t allowed = 1024;
  FrameAllocator frames(memory, Gfn(16), [&allowed](Gfn end) { return end.raw() <= allowed; });
  std::uint64_t got = 0;
  while (frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded)) ++got;
  EXPECT_EQ(got, 1024u - 16);
  allowed = memory.frames();
  EXPECT_TRUE(frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded));
}

TEST_F(FrameAllocatorTest, FailsTheAllocationItWasToldTo) {
  FrameAllocator frames(memory, Gfn(16));
  frames.fail_nth(2);
  EXPECT_TRUE(frames.allocate(FrameKind::kAnon, Zeroing::kNeeded));
  EXPECT_FALSE(frames.allocate(FrameKind::kAnon, Zeroing::kNeeded));
  EXPECT_TRUE(frames.allocate(FrameKind::kAnon, Zeroing::kNeeded));
}

TEST_F(FrameAllocatorTest, ReferencesKeepAFrame) {
  FrameAllocator frames(memory, Gfn(16));
  const Gfn f = frames.allocate(FrameKind::kAnon, Zeroing::kNeeded).value();
  frames.get(f);
  frames.put(f);
  EXPECT_EQ(frames.used_frames(), 1u);
  frames.put(f);
  EXPECT_EQ(frames.used_frames(), 0u);
  EXPECT_DEATH(frames.put(f), "internal error");
}

TEST_F(FrameAllocatorTest, RandomOrdersKeepTheBooks) {
  FrameAllocator frames(memory, Gfn(5));
  std::mt19937 random(42);
  std::vector<std::pair<Gfn, unsigned>> held;
  for (int i = 0; i < 20'000; ++i) {
    if (held.empty() || random() % 2 == 0) {
      const unsigned order = random() % 4;
      if (const auto block = frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded, order)) {
        EXPECT_EQ(block->raw() % (1u << order), 0u);
        held.emplace_back(*block, order);
      }
    } else {
      const std::size_t at = random() % held.size();
      for (unsigned k = 0; k < (1u << held[at].second); ++k) frames.put(held[at].first + k);
      held[at] = held.back();
      held.pop_back();
    }
    if (i % 1000 == 0) {
      ASSERT_EQ(frames.check_invariants(), std::nullopt);
    }
  }
}

TEST_F(FrameAllocatorTest, RewoundItAnswersTheSameRequestsTheSame) {
  unsigned extended = 0;
  FrameAllocator frames(memory, Gfn(3), [&extended](Gfn) { return ++extended != 0; });
  const Gfn kept = frames.allocate(FrameKind::kZero, Zeroing::kNeeded).value();
  const auto mark = frames.mark();
  const auto requests = [&frames] {
    std::vector<Gfn> got;
    for (int i = 0; i < 700; ++i) got.push_back(frames.allocate(FrameKind::kAnon, Zeroing::kNeeded).value());
    for (std::size_t i = 0; i < got.size(); i += 3) frames.put(got[i]);
    for (int i = 0; i < 50; ++i) got.push_back(frames.allocate(FrameKind::kFile, Zeroing::kNeeded, i % 3).value());
    return got;
  };
  const std::vector<Gfn> first = requests();
  const unsigned asked = extended;
  memory.page(first[1])[0] = std::byte{7};
  frames.charge_metadata(100);
  frames.fail_nth(1);
  frames.rewind(mark);
  EXPECT_EQ(frames.used_frames(), 1u);
  EXPECT_EQ(frames.metadata_bytes(), 0);
  EXPECT_EQ(frames.at(kept).kind, FrameKind::kZero);
  EXPECT_EQ(frames.check_invariants(), std::nullopt);
  EXPECT_EQ(requests(), first);
  EXPECT_EQ(memory.page(first[1])[0], std::byte{0}) << "it was used before";
  EXPECT_EQ(extended, asked) << "memory that was made available is asked for again";
  EXPECT_EQ(frames.check_invariants(), std::nullopt);

  // Forward again, to a mark that was left for an earlier one.
  const auto later = frames.mark();
  frames.rewind(mark);
  frames.rewind(later);
  EXPECT_EQ(frames.used_frames(), later.used_frames());
  EXPECT_EQ(frames.at(first[1]).refcount.load(), 1);
  EXPECT_EQ(frames.check_invariants(), std::nullopt);
}

// To the mark it came back to last, at the cost of what was used: nothing of it may be left.
TEST_F(FrameAllocatorTest, EachRewindLeavesNothingOfWhatWasUsed) {
  FrameAllocator frames(memory, Gfn(3));
  const Gfn kept = frames.allocate(FrameKind::kZero, Zeroing::kNeeded).value();
  std::vector<Gfn> some;
  for (int i = 0; i < 20; ++i) some.push_back(frames.allocate(FrameKind::kAnon, Zeroing::kNeeded).value());
  for (int i = 0; i < 20; i += 2) frames.put(some[static_cast<std::size_t>(i)]);
  const auto mark = frames.mark();
  std::mt19937 random(11);
  std::vector<Gfn> first;
  for (int round = 0; round < 50; ++round) {
    std::vector<Gfn> got;
    for (unsigned i = 0; i < 12; ++i) got.push_back(frames.allocate(FrameKind::kFile, Zeroing::kNeeded, i % 4).value());
    if (first.empty()) first = got;
    ASSERT_EQ(got, first) << round;
    frames.at(kept).mapcount.store(7);
    frames.get(kept);
    for (auto i = static_cast<unsigned>(random() % 1000); i > 0; --i)
      static_cast<void>(frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded, static_cast<unsigned>(random() % 3)));
    for (const Gfn frame : got)
      if (random() % 2 == 0) frames.put(frame);
    if (round % 2 == 0) frames.put(some[1]);
    frames.rewind(mark);
    ASSERT_EQ(frames.check_invariants(), std::nullopt) << round;
    ASSERT_EQ(frames.at(kept).refcount.load(), 1);
    ASSERT_EQ(frames.at(kept).mapcount.load(), 0);
    ASSERT_EQ(frames.used_frames(), mark.used_frames());
  }
}

// Little is done, and with frames in front of those that it changes.
TEST_F(FrameAllocatorTest, ARewindReachesAsFarAsTheFreeListsDo) {
  const std::vector<std::function<void(FrameAllocator&)>> uses{
      [](FrameAllocator& frames) { frames.put(Gfn(10)); },
      [](FrameAllocator& frames) { static_cast<void>(frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded)); },
      [](FrameAllocator& frames) { static_cast<void>(frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded, 3)); },
      [](FrameAllocator& frames) { frames.at(Gfn(21)).mapcount.store(1); }};
  for (std::size_t i = 0; i < uses.size(); ++i) {
    FrameAllocator frames(memory, Gfn(3));
    while (frames.high_water() != Gfn(32)) static_cast<void>(frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded));
    while (frames.used_frames() != 32 - 3) static_cast<void>(frames.allocate(FrameKind::kAnon, Zeroing::kNotNeeded));
    for (std::uint64_t f = 31; f > 22; --f) frames.put(Gfn(f));
    if (i != 0) frames.put(Gfn(6));
    const auto mark = frames.mark();
    uses[i](frames);
    frames.rewind(mark);
    EXPECT_EQ(frames.check_invariants(), std::nullopt) << i;
    EXPECT_EQ(frames.at(Gfn(21)).mapcount.load(), 0) << i;
  }
}

// Two places in one memory, one after the other: what is settled is left alone, but for frames that
// somebody uses.
TEST_F(FrameAllocatorTest, MarksBehindSettledFrames) {
  FrameAllocator frames(memory, Gfn(3));
  const Gfn engine = frames.allocate(FrameKind::kFile, Zeroing::kNeeded).value();
  const auto settle = [&frames] {
    while (frames.high_water() - frames.first() != frames.used_frames())
      static_cast<void>(frames.allocate(FrameKind::kReserved, Zeroing::kNotNeeded));
    frames.settle();
    EXPECT_EQ(frames.settled(), frames.high_water());
  };
  settle();
  const Gfn zero = frames.allocate(FrameKind::kZero, Zeroing::kNeeded).value();
  const auto one = frames.mark();
  settle();
  static_cast<void>(frames.allocate(FrameKind::kZero, Zeroing::kNeeded));
  const auto two = frames.mark();
  const auto use = [&frames, engine](int count) {
    frames.get(engine);
    std::vector<Gfn> got;
    for (int i = 0; i < count; ++i) got.push_back(frames.allocate(FrameKind::kAnon, Zeroing::kNeeded).value());
    for (std::size_t i = 0; i < got.size(); i += 3) frames.put(got[i]);
    EXPECT_EQ(frames.check_invariants(), std::nullopt);
    return got;
  };
  std::vector<Gfn> in_one, in_two;
  for (int round = 0; round < 12; ++round) {
    frames.rewind(one);
    ASSERT_EQ(frames.settled(), zero);
    const auto got_one = use(round % 4 == 3 ? 1500 : 900);  // more than there is before the other's place
    if (round % 2 == 0) frames.rewind(one);
    frames.rewind(two);
    ASSERT_EQ(frames.check_invariants(), std::nullopt) << round;
    const auto got_two = use(900);
    if (round == 0) in_one = got_one, in_two = got_two;
    ASSERT_TRUE(std::equal(in_one.begin(), in_one.end(), got_one.begin()));
    ASSERT_EQ(got_two, in_two);
    frames.rewind(two);
    ASSERT_EQ(frames.at(engine).refcount.load(), 1);
    ASSERT_EQ(frames.check_invariants(), std::nullopt);
  }
  frames.put(engine);
  EXPECT_EQ(frames.used_frames(), two.used_frames()) << "what is settled stays in use";
}

}  // namespace
}  // namespace faultline::mmu

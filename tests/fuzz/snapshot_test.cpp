// Memory is put back between programs, and a program finds the same machine whatever ran before.
#include "vmm/fuzz/guest/snapshot.hpp"

#include <algorithm>
#include <random>

#include "tests/fuzz/backend_fixture.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

TEST(Snapshot, RestoresWhatWasInUse) {
  std::vector<std::byte> ram(64 * kPageSize);
  mmu::FrameAllocator frames{mmu::PhysMemory(ram), Gfn(1)};
  const Gfn first = *frames.allocate(mmu::FrameKind::kAnon, mmu::Zeroing::kNeeded);
  const Gfn gone = *frames.allocate(mmu::FrameKind::kAnon, mmu::Zeroing::kNeeded);
  const Gfn last = *frames.allocate(mmu::FrameKind::kAnon, mmu::Zeroing::kNeeded);
  frames.put(gone);
  const auto byte_of = [&](Gfn frame) -> std::byte& { return frames.memory().page(frame)[7]; };
  byte_of(first) = std::byte{1};
  byte_of(last) = std::byte{3};
  const Snapshot snapshot(frames);
  EXPECT_EQ(snapshot.frames(), 2U);
  EXPECT_TRUE(snapshot.has(first) && snapshot.has(last));
  EXPECT_FALSE(snapshot.has(gone) || snapshot.has(Gfn(0)) || snapshot.has(Gfn(63)));
  EXPECT_TRUE(snapshot.changed().empty());

  for (const Gfn frame : {first, gone, last}) byte_of(frame) = std::byte{9};
  EXPECT_EQ(snapshot.changed(), (std::vector{first, last}));
  EXPECT_EQ(snapshot.restore(std::vector{last, gone, Gfn(0), Gfn(63)}), 1U);
  EXPECT_EQ(byte_of(last), std::byte{3});
  EXPECT_EQ(byte_of(gone), std::byte{9}) << "nobody's";
  EXPECT_EQ(snapshot.changed(), std::vector{first});
  EXPECT_EQ(snapshot.restore(snapshot.changed()), 1U);
  EXPECT_EQ(byte_of(first), std::byte{1});
}

Program generated(std::uint64_t seed, const GenerateOptions& options = {}) {
  std::mt19937_64 random(seed);
  return generate(random, options);
}

class SameMachineTest : public GuestTest {
 protected:
  Trace run(const Program& program) {
    auto trace = guest_->run(program);
    if (!trace) ADD_FAILURE() << trace.error().message;
    return trace ? std::move(*trace) : Trace{};
  }
  void expect_same(const Program& program, const Trace& before, const Trace& after) {
    const auto found = compare(program, before, after);
    EXPECT_FALSE(found) << found->step << ", " << found->field << ": " << found->first_value << " and then "
                        << found->second_value << "\n"
                        << to_text(program);
    ASSERT_EQ(before.steps.size(), after.steps.size());
    for (std::size_t i = 0; i < before.steps.size(); ++i)
      EXPECT_EQ(before.steps[i].features, after.steps[i].features) << i;
  }
};

TEST_P(SameMachineTest, AProgramComesOutTheSameWhateverRanBefore) {
  constexpr unsigned kPrograms = 12;
  std::vector<Trace> first;
  for (unsigned i = 0; i < kPrograms; ++i) first.push_back(run(generated(i)));
  for (unsigned i = 0; i < kPrograms; ++i) run(generated(100 + i, {.raw = true}));
  for (unsigned i = kPrograms; i-- > 0;) expect_same(generated(i), first[i], run(generated(i)));
}

// Before each program of a place the allocator would hand out the same frames, all of them zero.
TEST_P(SameMachineTest, FramesAreHandedOutInTheSameOrder) {
  const auto next_frames = [this] {
    mmu::FrameAllocator& frames = guest_->next_frames();
    const auto mark = frames.mark();
    const Gfn start = frames.high_water();
    std::vector<std::int64_t> next;
    for (int i = 0; i < 40; ++i) {
      const Gfn frame = *frames.allocate(mmu::FrameKind::kAnon, mmu::Zeroing::kNeeded);
      next.push_back(static_cast<std::int64_t>(frame.raw()) - static_cast<std::int64_t>(start.raw()));
      EXPECT_TRUE(std::ranges::all_of(frames.memory().page(frame), [](std::byte b) { return b == std::byte{}; }));
    }
    frames.rewind(mark);
    return next;
  };
  run(generated(0));
  const std::vector<std::int64_t> before = next_frames();
  for (unsigned i = 1; i < 20; ++i) {
    run(generated(i));
    EXPECT_EQ(next_frames(), before) << i;
  }
}

// Everything that the guest can write was handed out since the snapshot: KVM's own log agrees.
TEST_P(SameMachineTest, TheDirtyLogKnowsOfNoOtherPages) {
  const auto on = guest_->check_dirty_pages(true);
  if (std::string_view(GetParam()) == "hosted") {
    EXPECT_FALSE(on);
    return;
  }
  ASSERT_TRUE(on) << on.error().message;
  for (unsigned i = 0; i < 30; ++i) EXPECT_EQ(run(generated(i)).broken, std::vector<std::string>{}) << i;
  ASSERT_TRUE(guest_->check_dirty_pages(false));
}

// A frame in use that somebody wrote to is told of, and put back.
TEST_P(SameMachineTest, AWrittenFrameIsFoundAndPutBack) {
  mmu::FrameAllocator& frames = guest_->next_frames();
  Gfn zero(0);
  for (Gfn f = frames.first(); f < frames.high_water(); f = f + 1)
    if (frames.at(f).kind == mmu::FrameKind::kZero) zero = f;
  ASSERT_NE(zero, Gfn(0));
  frames.memory().page(zero)[5] = std::byte{1};
  EXPECT_EQ(run(Program{}).broken.size(), 1U);
  EXPECT_EQ(frames.memory().page(zero)[5], std::byte{0});
  EXPECT_EQ(run(Program{}).broken, std::vector<std::string>{});
}

INSTANTIATE_TEST_SUITE_P(Backend, SameMachineTest, every_backend(), backend_name);

}  // namespace
}  // namespace faultline::vmm::fuzz

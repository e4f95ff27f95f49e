#include "vmm/fuzz/guest/lazy_sink.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace faultline::vmm::fuzz {
namespace {

struct CountingSink final : mmu::TlbSink {
  mmu::TlbAction flush(const mmu::TlbBatch& batch) override {
    ++flushes;
    for (const mmu::FrameRange& range : batch.frames) frames += range.count;
    return mmu::TlbAction::kFrameDrop;
  }
  [[nodiscard]] bool tables_reusable_after_flush() const override { return reusable; }
  mmu::TlbAction drop_all() override {
    ++drops;
    return mmu::TlbAction::kFullDrop;
  }
  unsigned flushes = 0, drops = 0;
  std::uint64_t frames = 0;
  bool reusable = false;
};

mmu::TlbAction flush_one(LazySink& lazy, Gfn frame) {
  const mmu::FrameRange range{frame, 1};
  mmu::TlbBatch batch{};
  batch.frames = std::span(&range, 1);
  return lazy.flush(batch);
}

TEST(LazySink, DropsOnceBeforeTheGuestRuns) {
  CountingSink real;
  LazySink lazy(real);
  lazy.drop_all();
  lazy.drop_all();
  flush_one(lazy, Gfn(7));  // the drop does it
  EXPECT_EQ(real.drops + real.flushes, 0U);
  lazy.settle();
  lazy.settle();
  EXPECT_EQ(real.drops, 1U);
  flush_one(lazy, Gfn(8));
  lazy.settle();
  EXPECT_EQ(real.flushes, 1U);
  EXPECT_EQ(real.frames, 1U) << "not the one that went with all others";
  const GuestCost cost = lazy.take_cost();
  EXPECT_EQ(cost.full_drops, 1U);
  EXPECT_EQ(cost.flushes, 1U);
  EXPECT_EQ(lazy.take_cost().full_drops, 0U);
}

TEST(LazySink, FlushesOnceBeforeTheGuestRuns) {
  CountingSink real;
  LazySink lazy(real);
  EXPECT_EQ(flush_one(lazy, Gfn(7)), mmu::TlbAction::kFrameDrop);
  EXPECT_EQ(flush_one(lazy, Gfn(9)), mmu::TlbAction::kFrameDrop);
  EXPECT_EQ(lazy.flush({}), mmu::TlbAction::kNone);
  EXPECT_EQ(real.flushes, 0U);
  lazy.settle();
  lazy.settle();
  EXPECT_EQ(real.flushes, 1U);
  EXPECT_EQ(real.frames, 2U);
  flush_one(lazy, Gfn(7));
  lazy.drop_all();
  lazy.settle();
  EXPECT_EQ(real.flushes, 1U) << "the drop did it";
  flush_one(lazy, Gfn(7));
  lazy.forgive();
  lazy.settle();
  EXPECT_EQ(real.frames, 2U);
}

TEST(LazySink, AnAddressSpaceThatEndsCostsNothing) {
  CountingSink real;
  LazySink lazy(real);
  EXPECT_TRUE(lazy.retires_tables());
  lazy.end(Gpa(0x1000));
  flush_one(lazy, Gfn(7));
  lazy.settle();
  EXPECT_EQ(real.drops, 0U);
  EXPECT_EQ(real.frames, 1U);
  real.reusable = true;
  EXPECT_FALSE(lazy.retires_tables());
  lazy.end(Gpa(0x1000));
  lazy.settle();
  EXPECT_EQ(real.drops, 1U);
}

// A sink that drops when it is told.
struct SlowSink final : mmu::TlbSink {
  mmu::TlbAction flush(const mmu::TlbBatch&) override { return mmu::TlbAction::kFrameDrop; }
  [[nodiscard]] bool tables_reusable_after_flush() const override { return false; }
  mmu::TlbAction drop_all() override {
    if (drops == 0) go_on.wait();
    ++drops;
    return mmu::TlbAction::kFullDrop;
  }
  std::latch go_on{1};
  std::atomic<unsigned> drops{0};
};

TEST(LazySink, DropsAHalfBesideTheGuestAndWaitsForItBeforeItIsUsed) {
  SlowSink slow;
  LazySink lazy(slow);
  lazy.change_half();
  flush_one(lazy, Gfn(7));
  lazy.settle();
  EXPECT_EQ(slow.drops, 0U) << "the guest runs meanwhile";
  EXPECT_EQ(lazy.take_cost().full_drops, 1U);
  slow.go_on.count_down();
  lazy.change_half();
  EXPECT_GE(slow.drops, 1U);
  lazy.require();
  lazy.settle();
  EXPECT_EQ(slow.drops, 3U) << "one after the other";
  lazy.change_half();
}

// Where the guest flushes itself there is nothing to be saved, and tables go at once.
TEST(LazySink, PassesOnWhatCostsNothing) {
  CountingSink real;
  real.reusable = true;
  LazySink lazy(real);
  flush_one(lazy, Gfn(7));
  EXPECT_EQ(real.flushes, 1U);
}

TEST(LazySink, WhatIsRequiredIsNotForgiven) {
  CountingSink real;
  LazySink lazy(real);
  lazy.drop_all();
  lazy.forgive();
  lazy.settle();
  EXPECT_EQ(real.drops, 0U);
  lazy.require();
  lazy.drop_all();  // a program that never enters the guest
  lazy.forgive();
  lazy.settle();
  EXPECT_EQ(real.drops, 1U);
}

}  // namespace
}  // namespace faultline::vmm::fuzz

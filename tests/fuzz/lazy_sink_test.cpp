#include "vmm/fuzz/guest/lazy_sink.hpp"

#include <gtest/gtest.h>

namespace faultline::vmm::fuzz {
namespace {

struct CountingSink final : mmu::TlbSink {
  mmu::TlbAction flush(const mmu::TlbBatch&) override {
    ++flushes;
    return mmu::TlbAction::kFrameDrop;
  }
  [[nodiscard]] bool tables_reusable_after_flush() const override { return false; }
  mmu::TlbAction drop_all() override {
    ++drops;
    return mmu::TlbAction::kFullDrop;
  }
  unsigned flushes = 0, drops = 0;
};

TEST(LazySink, DropsOnceBeforeTheGuestRuns) {
  CountingSink real;
  LazySink lazy(real);
  lazy.drop_all();
  lazy.drop_all();
  lazy.flush({});  // the drop does it
  EXPECT_EQ(real.drops + real.flushes, 0U);
  lazy.settle();
  lazy.settle();
  EXPECT_EQ(real.drops, 1U);
  lazy.flush({});
  EXPECT_EQ(real.flushes, 1U);
  const GuestCost cost = lazy.take_cost();
  EXPECT_EQ(cost.full_drops, 1U);
  EXPECT_EQ(cost.flushes, 1U);
  EXPECT_EQ(lazy.take_cost().full_drops, 0U);
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

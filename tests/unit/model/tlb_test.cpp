#include "tests/model/tlb.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/model/tables.hpp"

namespace faultline::model::test {
namespace {

// A page that is mapped, then not; and what may come of a read.
struct Unmapped {
  Machine m{Paging::kFourLevel};
  Tlb tlb{m.tables, m.cpu, m.controls};
  void clear(unsigned level) {
    const std::array<Gva, 1> pages = {m.address};
    const unsigned shift = index_shift(Paging::kFourLevel, level);
    tlb.before_store(Gpa(m.table(level) + (m.address.raw() >> shift & 511) * 8), level, pages);
    m.entry(level) = 0;
  }
  // Vectors of all outcomes that are allowed.
  std::vector<unsigned> read() {
    std::vector<unsigned> vectors;
    for (const Outcome& o : predict(tlb, m.cpu, m.controls, {.address = m.address})) vectors.push_back(o.vector);
    return vectors;
  }
  bool stale() { return std::ranges::count(read(), kNoFault) != 0; }
  bool fresh() { return std::ranges::count(read(), kPageFault) != 0; }
};

TEST(Tlb, BothAreAllowedUntilTheInvalidation) {
  for (unsigned level = 1; level <= 4; ++level) {
    Unmapped u;
    u.clear(level);
    EXPECT_TRUE(u.stale());
    EXPECT_TRUE(u.fresh());
    u.tlb.invlpg(u.m.address);
    EXPECT_FALSE(u.stale()) << level;
    EXPECT_TRUE(u.fresh());
  }
}

TEST(Tlb, GlobalPagesSurviveMovToCr3) {
  Unmapped u;
  u.m.entry(1) |= 1U << 8;
  u.clear(1);
  u.tlb.load_cr3();
  EXPECT_TRUE(u.stale());
  u.tlb.flush_all();
  EXPECT_FALSE(u.stale());
  Unmapped local;
  local.clear(1);
  local.tlb.load_cr3();
  EXPECT_FALSE(local.stale());
}

TEST(Tlb, InvalidationsKeepToTheirPcid) {
  Unmapped u;
  u.clear(1);
  u.tlb.load_cr3(7, true);
  EXPECT_FALSE(u.stale()) << "cached for PCID 0";
  u.tlb.invpcid_context(7);
  u.tlb.load_cr3(0, true);
  EXPECT_TRUE(u.stale());
  u.tlb.invpcid_address(0, u.m.address);
  EXPECT_FALSE(u.stale());
}

TEST(Tlb, WhatIsNotPresentIsNotCached) {
  Unmapped u;
  u.m.entry(1) &= ~1ULL;
  u.clear(1);
  u.m.entry(1) = 0x9000 | kOpen;
  EXPECT_EQ(u.read(), std::vector<unsigned>{kNoFault});
}

}  // namespace
}  // namespace faultline::model::test

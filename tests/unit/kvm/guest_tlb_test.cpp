#include "vmm/kvm/guest_tlb.hpp"

#include <gtest/gtest.h>

#include "guest/abi.h"

namespace faultline::vmm::kvm {
namespace {

constexpr Gpa kA{0x10'0000}, kB{0x20'0000};
constexpr Gva kAt{0x7000'0000};
constexpr std::uint64_t kNoFlush = 1ULL << 63, kAfresh = 1ULL << FL_CR3_AFRESH;
constexpr TlbFeatures kNone{}, kGlobal{.global_pages = true}, kPcid{.global_pages = true, .pcid = true},
    kAll{.global_pages = true, .pcid = true, .invpcid = true};

class GuestTlbTest : public ::testing::Test {
 protected:
  // A vCPU with `features`, for which nothing is new any more.
  GuestTlb make(TlbFeatures features) {
    GuestTlb tlb(books_);
    tlb.restart(features);
    tlb.order(kA);
    tlb.order(kB);
    return tlb;
  }
  void flush(Gpa root, std::uint64_t pages) {
    books_.open()->flush({.root = root, .start = kAt, .end = kAt + pages * kPageSize, .frames = {}, .pages = pages});
  }
  TlbBooks books_;
};

TEST_F(GuestTlbTest, TheFirstOrderDropsAll) {
  GuestTlb tlb(books_);
  tlb.restart(kAll);
  EXPECT_FALSE(tlb.settled(kA));
  EXPECT_EQ(tlb.order(kA).cr3, kA.raw() | 1 | kAfresh);
  EXPECT_TRUE(tlb.settled(kA));
  tlb.restart(kNone);
  EXPECT_FALSE(tlb.settled(kA));
  EXPECT_EQ(tlb.order(kA).cr3, kA.raw());
}

TEST_F(GuestTlbTest, WithPcidsWhatIsKeptIsNotFlushed) {
  GuestTlb tlb = make(kAll);
  EXPECT_EQ(tlb.order(kA).cr3, kA.raw() | 1 | kNoFlush);
  EXPECT_EQ(tlb.order(kB).cr3, kB.raw() | 2 | kNoFlush);
  flush(kA, 1);
  EXPECT_TRUE(tlb.settled(kB));
  EXPECT_EQ(tlb.order(kA).cr3, kA.raw() | 1);
  EXPECT_EQ(tlb.statistics().kept, 2U);
  EXPECT_EQ(tlb.statistics().flushed, 3U);
}

TEST_F(GuestTlbTest, WithoutPcidsEveryLoadFlushes) {
  GuestTlb tlb = make(kGlobal);
  EXPECT_EQ(tlb.order(kA).cr3, kA.raw());
  EXPECT_EQ(tlb.order(kB).cr3, kB.raw());
  EXPECT_EQ(tlb.order(kB).cr3, 0U);
  flush(kB, 1);
  const TlbOrder order = tlb.order(kB);
  EXPECT_EQ(order.cr3, kB.raw());
  EXPECT_TRUE(order.pages.empty());
  EXPECT_EQ(tlb.statistics().kept, 0U);
}

TEST_F(GuestTlbTest, PagesOfTheLoadedOneByInvpcid) {
  GuestTlb tlb = make(kAll);
  flush(kB, 2);
  EXPECT_FALSE(tlb.settled(kB));
  const TlbOrder order = tlb.order(kB);
  EXPECT_EQ(order.cr3, 0U);
  ASSERT_EQ(order.pages.size(), 2U);
  EXPECT_EQ(order.pages[1].pcid, 2U);
  EXPECT_EQ(order.pages[1].address, kAt.raw() + kPageSize);
  EXPECT_TRUE(tlb.settled(kB));
  flush(kB, FL_MAX_INVALIDATIONS + 1);
  EXPECT_EQ(tlb.order(kB).cr3, kB.raw() | 2);
  EXPECT_EQ(tlb.statistics().page_flushes, 1U);
  EXPECT_EQ(tlb.statistics().whole_flushes, 1U);
}

TEST_F(GuestTlbTest, WithoutInvpcidAllOfTheLoadedOne) {
  GuestTlb tlb = make(kPcid);
  flush(kB, 1);
  const TlbOrder order = tlb.order(kB);
  EXPECT_TRUE(order.pages.empty());
  EXPECT_EQ(order.cr3, kB.raw() | 2);
  EXPECT_EQ(tlb.order(kA).cr3, kA.raw() | 1 | kNoFlush);
}

TEST_F(GuestTlbTest, TablesThatEndWhileLoadedAreLeft) {
  GuestTlb tlb = make(kAll);
  EXPECT_FALSE(tlb.lost());
  books_.open()->end(kA);
  EXPECT_FALSE(tlb.lost());
  books_.open()->end(kB);
  EXPECT_TRUE(tlb.lost());
  tlb.left();
  EXPECT_FALSE(tlb.lost());
  // The same frame, another address space.
  EXPECT_EQ(tlb.order(kB).cr3, kB.raw() | 3);
  EXPECT_FALSE(tlb.lost());
}

TEST_F(GuestTlbTest, DroppingAllEndsGlobalPagesToo) {
  GuestTlb tlb = make(kAll);
  books_.open()->end_all();
  EXPECT_TRUE(tlb.lost());
  tlb.left();
  EXPECT_NE(tlb.order(kB).cr3 & kAfresh, 0U);
  EXPECT_EQ(tlb.order(kA).cr3 & (kAfresh | kNoFlush), 0U);
}

TEST_F(GuestTlbTest, AnInterruptedOrderIsGivenAgain) {
  GuestTlb tlb = make(kAll);
  tlb.order(kA);
  tlb.interrupted();
  EXPECT_FALSE(tlb.settled(kA));
  EXPECT_TRUE(tlb.lost()) << "either may be loaded";
  tlb.left();
  EXPECT_EQ(tlb.order(kA).cr3 & kNoFlush, 0U);
  EXPECT_EQ(tlb.order(kB).cr3 & kNoFlush, kNoFlush);
}

TEST_F(GuestTlbTest, BothSidesAgreeOnHowManyPages) {
  EXPECT_EQ(mmu::TlbGenerations::kMaxPages, std::uint64_t{FL_MAX_INVALIDATIONS});
}

}  // namespace
}  // namespace faultline::vmm::kvm

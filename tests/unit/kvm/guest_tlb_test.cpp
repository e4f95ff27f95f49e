#include "vmm/kvm/guest_tlb.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

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
  EXPECT_EQ(tlb.order(kA).cr3 & (kNoFlush | kAfresh), kAfresh);
  EXPECT_EQ(tlb.order(kB).cr3 & kNoFlush, 0U);
}

TEST_F(GuestTlbTest, TablesThatUserCodeWentOverToAreLeftWhenTheyEnd) {
  GuestTlb tlb = make(kAll);
  tlb.stepped(kA);
  EXPECT_FALSE(tlb.lost());
  EXPECT_FALSE(tlb.settled(kA)) << "the host's PCID is not where user code stays";
  books_.open()->end(kB);
  EXPECT_FALSE(tlb.lost()) << "that was loaded before";
  books_.open()->end(kA);
  EXPECT_TRUE(tlb.lost());
  tlb.left();
  EXPECT_FALSE(tlb.lost());
  tlb.stepped(kA);
  EXPECT_EQ(tlb.order(kA).cr3 & (kNoFlush | kAfresh), 0U);
  EXPECT_TRUE(tlb.settled(kA));
}

TEST_F(GuestTlbTest, BothSidesAgreeOnHowManyPages) {
  EXPECT_EQ(mmu::TlbGenerations::kMaxPages, std::uint64_t{FL_MAX_INVALIDATIONS});
}

// A processor that carries out what the stub would, and never forgets a translation by itself. Bochs,
// the lab's CPU with PCIDs, keeps none across an exit, so that it is here that a wrong order shows.
class Processor {
 public:
  explicit Processor(TlbFeatures features) : features_(features) {}
  // Contents of memory by the tables: by root and page.
  using Tables = std::map<std::pair<Gpa, Gva>, std::uint64_t>;

  void load_by_host(Gpa root) { root_ = root, pcid_ = 0; }
  void carry_out(const TlbOrder& order) {
    EXPECT_TRUE(order.cr3 == 0 || order.pages.empty());
    EXPECT_LE(order.pages.size(), std::size_t{FL_MAX_INVALIDATIONS});
    for (const InvpcidDescriptor& d : order.pages) {
      EXPECT_TRUE(features_.invpcid && d.pcid < kPageSize);
      tlb_.erase({d.pcid, Gva(d.address)});
    }
    if (order.cr3 == 0) return;
    EXPECT_GT(order.cr3, std::uint64_t{FL_MAX_INVALIDATIONS});
    const bool keeps = (order.cr3 & kNoFlush) != 0;
    pcid_ = order.cr3 & (kPageSize - 1);
    root_ = Gpa(order.cr3 & ~(kNoFlush | kAfresh | (kPageSize - 1)));
    EXPECT_TRUE(features_.pcid || (pcid_ == 0 && !keeps)) << "#GP";
    if (!keeps) std::erase_if(tlb_, [this](const auto& e) { return e.first.first == pcid_; });
    if ((order.cr3 & kAfresh) != 0) tlb_.clear();
  }
  std::uint64_t read(Gva page, bool kernel, const Tables& tables) {
    const std::uint64_t tag = kernel && features_.global_pages ? kGlobalTag : pcid_;
    const auto held = tlb_.try_emplace({tag, page}, 0);
    if (held.second) held.first->second = tables.at({kernel ? Gpa() : root_, page});
    return held.first->second;
  }
  [[nodiscard]] Gpa root() const { return root_; }

 private:
  static constexpr std::uint64_t kGlobalTag = ~0ULL;
  TlbFeatures features_;
  Gpa root_;
  std::uint64_t pcid_ = 0;
  std::map<std::pair<std::uint64_t, Gva>, std::uint64_t> tlb_;
};

class RandomUse {
 public:
  RandomUse(TlbFeatures features, std::uint64_t seed) : random_(seed), tlb_(books_), cpu_(features) {
    tlb_.restart(features);
    for (std::uint64_t i = 0; i < kRoots; ++i) begin(root(i));
    tables_[{Gpa(), kKernelPage}] = 0;
  }
  void step() {
    const Gpa at = root(pick(kRoots));
    switch (pick(14)) {
      case 0: return end(at);
      case 1: return edit(at, pick(kPages), 1 + pick(kPages), pick(4) == 0);
      case 2: return pick(10) == 0 ? edit_kernel() : end_all();
      case 3: return interrupt(at);
      case 4:
      case 5:
      case 6: return edit(at, pick(kPages), 1, false);
      case 7:
      case 8: return walk(at);
      default: return use(at);
    }
  }

 private:
  static constexpr std::uint64_t kRoots = 9, kPages = 48;
  static constexpr Gva kKernelPage{0xffff'8000'0000'2000};
  static Gpa root(std::uint64_t i) { return Gpa((i + 0x100) * kPageSize); }
  static Gva page(std::uint64_t i) { return kAt + (i % kPages) * kPageSize; }
  std::uint64_t pick(std::uint64_t n) { return random_() % n; }

  void begin(Gpa at) {
    for (std::uint64_t i = 0; i < kPages; ++i) tables_[{at, page(i)}] = ++content_;
  }
  void end(Gpa at) {
    books_.open()->end(at);
    begin(at);
  }
  void end_all() {
    if (pick(10) != 0) return;
    tables_[{Gpa(), kKernelPage}] = ++content_;
    books_.open()->end_all();
    for (std::uint64_t i = 0; i < kRoots; ++i) begin(root(i));
  }
  void edit(Gpa at, std::uint64_t first, std::uint64_t count, bool tables) {
    count = std::min(count, kPages - first);
    for (std::uint64_t i = first; i < first + count; ++i) tables_[{at, page(i)}] = ++content_;
    books_.open()->flush({.root = at,
                          .start = page(first),
                          .end = page(first) + count * kPageSize,
                          .frames = {},
                          .pages = count,
                          .tables_freed = tables});
  }
  void edit_kernel() {
    tables_[{Gpa(), kKernelPage}] = ++content_;
    books_.open()->flush(
        {.root = Gpa(), .start = kKernelPage, .end = kKernelPage + kPageSize, .frames = {}, .pages = 1});
  }
  // As KvmVcpu::run() does it.
  TlbOrder order(Gpa at) {
    if (tlb_.lost()) {
      cpu_.load_by_host(Gpa(kPageSize));
      tlb_.left();
    }
    return tlb_.order(at);
  }
  // Of a list of pages some were dropped, a load was made or not.
  void interrupt(Gpa at) {
    TlbOrder cut = order(at);
    if (!cut.pages.empty()) cut.pages.resize(pick(cut.pages.size()));
    if (pick(2) == 0) cpu_.carry_out(cut);
    tlb_.interrupted();
  }
  void use(Gpa at) {
    if (!tlb_.settled(at) || tlb_.lost()) cpu_.carry_out(order(at));
    read(at);
  }
  // User code goes over to other tables by itself.
  void walk(Gpa at) {
    use(at);
    for (std::uint64_t steps = 1 + pick(3); steps > 0; --steps) {
      at = root(pick(kRoots));
      cpu_.carry_out({GuestTlb::step_value(at), {}});
      read(at);
    }
    tlb_.stepped(at);
  }
  void read(Gpa at) {
    ASSERT_EQ(cpu_.root(), at);
    for (int i = 0; i < 10; ++i) {
      const Gva where = page(pick(kPages));
      ASSERT_EQ(cpu_.read(where, false, tables_), (tables_.at({at, where})));
      ASSERT_EQ(cpu_.read(kKernelPage, true, tables_), (tables_.at({Gpa(), kKernelPage})));
    }
  }

  std::mt19937_64 random_;
  TlbBooks books_;
  GuestTlb tlb_;
  Processor cpu_;
  Processor::Tables tables_;
  std::uint64_t content_ = 0;
};

TEST_F(GuestTlbTest, NoStaleTranslationIsEverUsed) {
  for (const TlbFeatures& features : {kNone, kGlobal, kPcid, kAll}) {
    for (std::uint64_t seed = 0; seed < 10 && !HasFatalFailure(); ++seed) {
      SCOPED_TRACE(seed);
      RandomUse use(features, seed);
      for (int i = 0; i < 1000 && !HasFatalFailure(); ++i) use.step();
    }
  }
}

}  // namespace
}  // namespace faultline::vmm::kvm

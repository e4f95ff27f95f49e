#include "mmu/pgtable/asid_cache.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace faultline::mmu {
namespace {

using Step = AsidCache::Step;

constexpr TlbContext kA{1, 1, 1}, kB{2, 1, 1};
constexpr TlbContext later(TlbContext c) { return {c.id, c.generation + 1, c.kernel}; }

TEST(AsidCache, TheFirstTimeIsAfresh) {
  AsidCache cache(2);
  EXPECT_EQ(cache.loaded(), 0U);
  EXPECT_FALSE(cache.settled(kA));
  EXPECT_EQ(cache.enter(kA).step, Step::kLoadAfresh);
  EXPECT_EQ(cache.loaded(), kA.id);
  EXPECT_TRUE(cache.settled(kA));
}

TEST(AsidCache, OneThatIsLoadedAndUnchangedIsLeftAlone) {
  AsidCache cache(2);
  const unsigned slot = cache.enter(kA).slot;
  const AsidCache::Order again = cache.enter(kA);
  EXPECT_EQ(again.step, Step::kNothing);
  EXPECT_EQ(again.slot, slot);
}

TEST(AsidCache, OneThatIsLoadedAndChangedCatchesUp) {
  AsidCache cache(2);
  const unsigned slot = cache.enter(kA).slot;
  EXPECT_FALSE(cache.settled(later(kA)));
  const AsidCache::Order order = cache.enter(later(kA));
  EXPECT_EQ(order.step, Step::kCatchUp);
  EXPECT_EQ(order.slot, slot);
  EXPECT_EQ(order.since, kA.generation);
  EXPECT_EQ(cache.enter(later(kA)).step, Step::kNothing);
}

TEST(AsidCache, OneThatComesBackUnchangedIsKept) {
  AsidCache cache(2);
  const unsigned a = cache.enter(kA).slot, b = cache.enter(kB).slot;
  EXPECT_NE(a, b);
  for (int i = 0; i < 3; ++i) {
    const AsidCache::Order to_a = cache.enter(kA), to_b = cache.enter(kB);
    EXPECT_EQ(to_a.step, Step::kLoadKeeping);
    EXPECT_EQ(to_b.step, Step::kLoadKeeping);
    EXPECT_EQ(to_a.slot, a);
    EXPECT_EQ(to_b.slot, b);
  }
}

TEST(AsidCache, OneThatChangedMeanwhileIsFlushedInItsSlot) {
  AsidCache cache(2);
  const unsigned a = cache.enter(kA).slot;
  cache.enter(kB);
  const AsidCache::Order order = cache.enter(later(kA));
  EXPECT_EQ(order.step, Step::kLoadFlushed);
  EXPECT_EQ(order.slot, a);
  EXPECT_EQ(cache.enter(kB).step, Step::kLoadKeeping);
  EXPECT_EQ(cache.enter(later(kA)).step, Step::kLoadKeeping);
}

TEST(AsidCache, SlotsAreGivenInTurn) {
  AsidCache cache(3);
  std::vector<unsigned> slots;
  for (std::uint64_t id = 1; id <= 7; ++id) {
    const AsidCache::Order order = cache.enter({id, 1, 1});
    EXPECT_EQ(order.step, id == 1 ? Step::kLoadAfresh : Step::kLoadFlushed);
    slots.push_back(order.slot);
  }
  EXPECT_EQ(slots, (std::vector<unsigned>{0, 1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(cache.enter({6, 1, 1}).step, Step::kLoadKeeping);
  EXPECT_EQ(cache.enter({4, 1, 1}).step, Step::kLoadFlushed);
}

TEST(AsidCache, WithOneSlotEverySwitchFlushes) {
  AsidCache cache(1);
  cache.enter(kB);
  for (int i = 0; i < 3; ++i) {
    for (const TlbContext c : {kA, kB}) {
      const AsidCache::Order order = cache.enter(c);
      EXPECT_EQ(order.step, Step::kLoadFlushed);
      EXPECT_EQ(order.slot, 0U);
    }
  }
  EXPECT_EQ(cache.enter(kB).step, Step::kNothing);
}

TEST(AsidCache, WhatWasForgottenIsFlushed) {
  AsidCache cache(2);
  cache.enter(kA);
  cache.enter(kB);
  cache.forget_loaded();
  EXPECT_EQ(cache.loaded(), 0U);
  EXPECT_FALSE(cache.settled(kB));
  EXPECT_EQ(cache.enter(kA).step, Step::kLoadKeeping);
  EXPECT_EQ(cache.enter(kB).step, Step::kLoadFlushed);
  cache.forget_all();
  EXPECT_EQ(cache.loaded(), 0U);
  cache.forget_loaded();
  EXPECT_EQ(cache.enter(kA).step, Step::kLoadAfresh);
  EXPECT_EQ(cache.enter(kB).step, Step::kLoadFlushed);
}

TEST(AsidCache, AChangeOfTheKernelHalfDropsAll) {
  constexpr TlbContext kAfterwards{kA.id, kA.generation, kA.kernel + 1};
  AsidCache cache(2);
  cache.enter(kB);
  cache.enter(kA);
  EXPECT_FALSE(cache.settled(kAfterwards));
  EXPECT_EQ(cache.enter(kAfterwards).step, Step::kLoadAfresh);
  EXPECT_TRUE(cache.settled(kAfterwards));
  EXPECT_EQ(cache.enter({kB.id, kB.generation, kAfterwards.kernel}).step, Step::kLoadFlushed);
}

// A processor that never drops a translation by itself, several address spaces whose pages change, and
// an owner who does what the cache says and nothing else.
class Simulation {
 public:
  Simulation(unsigned slots, std::uint64_t seed) : random_(seed), cpus_(2, Cpu{AsidCache(slots), {}, {}}) {
    for (std::uint64_t i = 0; i < kSpaces; ++i) spaces_[root(i)];
  }

  void step() {
    const Gpa space = root(pick(kSpaces));
    const Gva page(pick(kPages) * kPageSize);
    Cpu& cpu = cpus_[pick(cpus_.size())];
    switch (pick(16)) {
      case 0: return end(space);
      case 1: return edit_many(space);
      case 2: return doubt(cpu);
      case 3:
        if (pick(20) == 0) generations_.end_all();
        return;
      case 4:
        if (pick(10) == 0) edit_kernel();
        return;
      case 5:
      case 6:
      case 7: return edit(space, page);
      default: return run(cpu, space);
    }
  }
  std::map<Step, std::uint64_t> steps;
  std::uint64_t page_lists = 0;

 private:
  static constexpr std::uint64_t kSpaces = 8, kPages = 64;
  static constexpr unsigned kAnySlot = 99;
  static constexpr Gva kKernelPage{0xffff'8000'0000'0000};
  using Pages = std::map<Gva, std::uint64_t>;
  struct Cpu {
    AsidCache cache;
    std::map<std::pair<unsigned, Gva>, std::uint64_t> tlb;  // by slot and page; global ones in kAnySlot
    std::optional<Gpa> loaded;
  };

  static Gpa root(std::uint64_t i) { return Gpa((i + 1) * kPageSize); }
  std::uint64_t pick(std::uint64_t n) { return random_() % n; }
  std::uint64_t content(Gpa space, Gva page) {
    return page == kKernelPage ? kernel_ : spaces_[space].try_emplace(page, ++content_).first->second;
  }

  void edit(Gpa space, Gva page) {
    spaces_[space][page] = ++content_;
    generations_.flush({.root = space, .start = page, .end = page + kPageSize, .frames = {}, .pages = 1});
  }
  void edit_many(Gpa space) {
    const std::uint64_t first = pick(kPages), count = 1 + pick(kPages - first);
    for (std::uint64_t i = 0; i < count; ++i) spaces_[space][Gva((first + i) * kPageSize)] = ++content_;
    generations_.flush({.root = space,
                        .start = Gva(first * kPageSize),
                        .end = Gva((first + count) * kPageSize),
                        .frames = {},
                        .pages = count,
                        .tables_freed = pick(4) == 0});
  }
  void edit_kernel() {
    kernel_ = ++content_;
    generations_.flush({.root = Gpa(), .start = kKernelPage, .end = kKernelPage + kPageSize, .frames = {}, .pages = 1});
  }
  // Another one begins at the same root.
  void end(Gpa space) {
    generations_.end(space);
    spaces_[space].clear();
  }
  void doubt(Cpu& cpu) {
    cpu.cache.forget_loaded();
    cpu.loaded.reset();
  }

  void drop(Cpu& cpu, unsigned slot) {
    std::erase_if(cpu.tlb, [slot](const auto& e) { return e.first.first == slot; });
  }
  void carry_out(Cpu& cpu, Gpa space, AsidCache::Order order) {
    ++steps[order.step];
    if (order.step == Step::kLoadAfresh) cpu.tlb.clear();
    if (order.step == Step::kLoadFlushed) drop(cpu, order.slot);
    if (order.step == Step::kCatchUp) {
      const auto stale = generations_.stale_since(space, order.since);
      if (!stale) return drop(cpu, order.slot);
      ++page_lists;
      for (const Gva page : *stale) cpu.tlb.erase({order.slot, page});
    }
  }
  void run(Cpu& cpu, Gpa space) {
    const TlbContext now = generations_.of(space);
    const bool settled = cpu.cache.settled(now);
    const AsidCache::Order order = cpu.cache.enter(now);
    EXPECT_EQ(settled, order.step == Step::kNothing);
    carry_out(cpu, space, order);
    if (order.step == Step::kNothing || order.step == Step::kCatchUp) {
      EXPECT_EQ(cpu.loaded, space);
    }
    cpu.loaded = space;
    for (const auto& [key, value] : cpu.tlb) {
      if (key.first == order.slot || key.first == kAnySlot) {
        EXPECT_EQ(value, content(space, key.second)) << key.second.raw();
      }
    }
    for (int i = 0; i < 8; ++i) {
      const Gva page = pick(8) == 0 ? kKernelPage : Gva(pick(kPages) * kPageSize);
      cpu.tlb[{page == kKernelPage ? kAnySlot : order.slot, page}] = content(space, page);
    }
  }

  std::mt19937_64 random_;
  TlbGenerations generations_;
  std::vector<Cpu> cpus_;
  std::map<Gpa, Pages> spaces_;
  std::uint64_t kernel_ = 0, content_ = 0;
};

TEST(AsidCache, NoStaleTranslationIsEverUsed) {
  std::map<Step, std::uint64_t> steps;
  std::uint64_t page_lists = 0;
  for (unsigned slots = 1; slots <= AsidCache::kMaxSlots; ++slots) {
    for (std::uint64_t seed = 0; seed < 10 && !::testing::Test::HasFailure(); ++seed) {
      Simulation simulation(slots, seed);
      for (int i = 0; i < 1000; ++i) simulation.step();
      for (const auto& [step, count] : simulation.steps) steps[step] += count;
      page_lists += simulation.page_lists;
    }
  }
  // All that there is was met with.
  for (const Step step : {Step::kNothing, Step::kCatchUp, Step::kLoadKeeping, Step::kLoadFlushed, Step::kLoadAfresh})
    EXPECT_GT(steps[step], 200U) << static_cast<int>(step);
  EXPECT_GT(page_lists, 100U);
}

}  // namespace
}  // namespace faultline::mmu

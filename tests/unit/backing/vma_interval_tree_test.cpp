// The interval tree against a list that is searched from end to end.
#include "mmu/backing/vma_interval_tree.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "mmu/space/vma.hpp"

namespace faultline::mmu {
namespace {

struct Entry {
  Vma vma;
  VmaInterval interval;
  Entry(std::uint64_t first, std::uint64_t pages) {
    vma.start = Gva(0x1000);
    vma.end = vma.start + pages * kPageSize;
    vma.pgoff = Pgoff(first);
  }
};

class IntervalTreeRandom : public ::testing::TestWithParam<unsigned> {};

TEST_P(IntervalTreeRandom, AgreesWithBruteForce) {
  std::mt19937 random(GetParam());
  const auto below = [&](std::uint64_t n) { return std::uint64_t{random()} % n; };
  VmaIntervalTree tree;
  std::vector<std::unique_ptr<Entry>> entries;
  for (int step = 0; step < 4000; ++step) {
    // Grows, then shrinks, twice.
    const bool grow = below(100) < ((step / 1000) % 2 == 0 ? 80 : 20);
    if (grow || entries.empty()) {
      entries.push_back(std::make_unique<Entry>(below(200), 1 + below(below(10) == 0 ? 100 : 8)));
      tree.insert(entries.back()->interval, entries.back()->vma);
    } else {
      const std::size_t which = below(entries.size());
      tree.erase(entries[which]->interval);
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(which));
    }
    ASSERT_EQ(tree.size(), entries.size());
    if (step % 8 != 0) continue;
    ASSERT_EQ(tree.check_invariants().value_or(""), "");
    const std::uint64_t first = below(220), last = first + below(20);
    std::vector<const Vma*> found, expected;
    std::uint64_t previous = 0;
    tree.for_each(Pgoff(first), Pgoff(last), [&](const Vma& vma) {
      EXPECT_GE(vma.pgoff.raw(), previous);
      previous = vma.pgoff.raw();
      found.push_back(&vma);
    });
    for (const auto& e : entries)
      if (e->vma.pgoff.raw() <= last && e->vma.pgoff.raw() + e->vma.pages() > first) expected.push_back(&e->vma);
    std::sort(found.begin(), found.end());
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(found, expected);
  }
  for (const auto& e : entries) tree.erase(e->interval);
}
INSTANTIATE_TEST_SUITE_P(Seeds, IntervalTreeRandom, ::testing::Range(1U, 5U));

// Whoever inserts in order, a guest for one, gets no deep tree.
TEST(IntervalTree, StaysShallowWhenFilledInOrder) {
  VmaIntervalTree tree;
  std::vector<std::unique_ptr<Entry>> entries;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    entries.push_back(std::make_unique<Entry>(i, 1));
    tree.insert(entries.back()->interval, entries.back()->vma);
  }
  EXPECT_EQ(tree.check_invariants().value_or(""), "");  // balanced within one at every entry
  std::size_t visited = 0;
  tree.for_each(Pgoff(2500), Pgoff(2500), [&](const Vma&) { ++visited; });
  EXPECT_EQ(visited, 1U);
  for (const auto& e : entries) tree.erase(e->interval);
  EXPECT_TRUE(tree.empty());
}

// A VMA that changes under the tree is found out.
TEST(IntervalTree, NoticesAVmaThatMoved) {
  VmaIntervalTree tree;
  Entry entry(4, 2);
  tree.insert(entry.interval, entry.vma);
  entry.vma.pgoff = Pgoff(5);
  EXPECT_NE(tree.check_invariants().value_or("").find("moved"), std::string::npos);
  tree.erase(entry.interval);
}

}  // namespace
}  // namespace faultline::mmu

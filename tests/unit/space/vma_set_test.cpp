// The VMA set against an array with one cell a page.
#include "mmu/space/vma_set.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace faultline::mmu {
namespace {

constexpr std::uint64_t kPages = 96;
constexpr std::uint64_t kFirst = 0x400;  // page number of cell 0
Gva at(std::uint64_t cell) { return Gva((kFirst + cell) << kPageShift); }

// Cell: 0 = free, else the tag of the VMA there (kept in the flags).
using Model = std::array<std::uint64_t, kPages>;

std::uint64_t run_end(const Model& model, std::uint64_t cell) {
  std::uint64_t end = cell;
  while (end < kPages && model[end] == model[cell]) ++end;
  return end;
}

void compare(const VmaSet& set, const Model& model) {
  ASSERT_FALSE(set.check_invariants()) << *set.check_invariants();
  for (std::uint64_t cell = 0; cell < kPages; ++cell) {
    const Vma* found = set.lookup(at(cell) + 123);
    ASSERT_EQ(found != nullptr ? found->flags.raw() : 0, model[cell]) << "cell " << cell;
    if (found != nullptr) {
      ASSERT_EQ(found->page_index(at(cell)).raw(), kFirst + cell);
    }
    std::uint64_t next = cell;
    while (next < kPages && model[next] == 0) ++next;
    const Vma* above = set.find(at(cell));
    ASSERT_EQ(above != nullptr ? above->flags.raw() : 0, next < kPages ? model[next] : 0) << "cell " << cell;
  }
}

class VmaSetRandom : public ::testing::TestWithParam<unsigned> {};

TEST_P(VmaSetRandom, AgreesWithBruteForce) {
  std::mt19937 random(GetParam());
  const auto below = [&](std::uint64_t n) { return std::uint64_t{random()} % n; };
  VmaSet set;
  Model model{};
  std::uint32_t tag = 0;
  for (int step = 0; step < 3000; ++step) {
    const std::uint64_t cell = below(kPages);
    if (model[cell] == 0) {
      const std::uint64_t end = std::min(run_end(model, cell), cell + 1 + below(8));
      ++tag;
      set.insert(Vma{.start = at(cell),
                     .end = at(end),
                     .flags = VmFlags(tag),
                     .pgoff = Pgoff(kFirst + cell),
                     .file = {},
                     .name = {}});
      for (std::uint64_t i = cell; i < end; ++i) model[i] = tag;
    } else {
      Vma& vma = *set.lookup(at(cell));
      const std::uint64_t start = vma.start.page().raw() - kFirst;
      const std::uint64_t end = vma.end.page().raw() - kFirst;
      switch (below(3)) {
        case 0: {
          set.erase(vma);
          for (std::uint64_t i = start; i < end; ++i) model[i] = 0;
          break;
        }
        case 1: {
          if (cell == start) break;
          set.split(vma, at(cell)).flags = VmFlags(++tag);
          for (std::uint64_t i = cell; i < end; ++i) model[i] = tag;
          break;
        }
        default: {
          // New bounds anywhere between the neighbours.
          std::uint64_t low = start, high = end;
          while (low > 0 && model[low - 1] == 0) --low;
          while (high < kPages && model[high] == 0) ++high;
          const std::uint64_t from = low + below(high - low);
          const std::uint64_t to = from + 1 + below(high - from);
          const std::uint64_t own = vma.flags.raw();
          ASSERT_EQ(&set.resize(vma, at(from), at(to)), &vma);
          for (std::uint64_t i = start; i < end; ++i) model[i] = 0;
          for (std::uint64_t i = from; i < to; ++i) model[i] = own;
        }
      }
    }
    if (step % 16 == 0) compare(set, model);
    if (::testing::Test::HasFatalFailure()) return;
  }
  compare(set, model);
}
INSTANTIATE_TEST_SUITE_P(Seeds, VmaSetRandom, ::testing::Range(1U, 9U));

TEST(VmaSet, NeighboursAndFirstInRange) {
  VmaSet set;
  const auto add = [&](std::uint64_t from, std::uint64_t to) -> Vma& {
    return set.insert(Vma{.start = at(from), .end = at(to), .flags = {}, .pgoff = Pgoff(0), .file = {}, .name = {}});
  };
  Vma& a = add(1, 3);
  Vma& b = add(5, 6);
  EXPECT_EQ(set.previous(a), nullptr);
  EXPECT_EQ(set.next(a), &b);
  EXPECT_EQ(set.previous(b), &a);
  EXPECT_EQ(set.next(b), nullptr);
  EXPECT_EQ(set.first_in(at(3), at(5)), nullptr);
  EXPECT_EQ(set.first_in(at(2), at(9)), &a);
  EXPECT_EQ(set.first_in(at(3), at(6)), &b);
  EXPECT_EQ(set.find_position(at(6)), set.end());
}

}  // namespace
}  // namespace faultline::mmu

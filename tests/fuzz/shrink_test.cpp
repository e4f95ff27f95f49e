#include "vmm/fuzz/shrink.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/fuzz/fake_judge.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/shrink_operand.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

bool has(const Program& p, Op op) {
  return std::ranges::any_of(p.operations, [op](const Operation& o) { return o.op == op; });
}

Program noise(unsigned seed, unsigned operations = 40) {
  std::mt19937_64 random(seed);
  GenerateOptions options;
  options.operations = operations;
  options.raw = options.failures = true;
  return generate(random, options);
}

// `shown` in the midst of noise.
Program amidst(std::initializer_list<Operation> shown) {
  Program p = noise(7, 30);
  std::size_t at = 3;
  for (const Operation& o : shown) {
    p.operations.insert(p.operations.begin() + static_cast<std::ptrdiff_t>(at), o);
    at += 9;
  }
  return p;
}

TEST(Shrink, OnlyWhatMattersIsLeft) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    Program p = noise(seed);
    p.operations.insert(p.operations.begin() + 5, Operation{Op::kFork, {}});
    p.operations.push_back({Op::kExit, {}});
    const auto fork_then_exit = [](const Program& c) {
      EXPECT_EQ(illegal(c), std::nullopt);
      const auto fork = std::ranges::find(c.operations, Op::kFork, &Operation::op);
      return std::any_of(fork, c.operations.end(), [](const Operation& o) { return o.op == Op::kExit; });
    };
    EXPECT_EQ(to_text(shrink(p, fork_then_exit)), to_text(Program{{{Op::kFork, {}}, {Op::kExit, {}}}}));
  }
}

TEST(Shrink, AddressesThatBelongTogetherMoveTogether) {
  // A store that goes over the end of a mapping.
  const Program p = amidst({map_at({2, 5 * 4096}, 7 * 4096, 7, kMapNoReplace | kMapPopulate | kMapShared),
                            write_at({2, 12 * 4096 - 3}, 8, 77)});
  const auto over_the_end = [](const Program& c) {
    for (auto m = c.operations.begin(); m != c.operations.end(); ++m) {
      if (m->op != Op::kMap || (m->operands[2] & 2) == 0) continue;
      const std::uint64_t end =
          address_of(unpack_address(m->operands[0])).raw() + static_cast<std::uint64_t>(m->operands[1]);
      for (auto w = m; w != c.operations.end(); ++w) {
        if (w->op != Op::kWrite) continue;
        const std::uint64_t at = address_of(unpack_address(w->operands[1])).raw();
        if (at < end && at + static_cast<std::uint64_t>(w->operands[0]) > end) return true;
      }
    }
    return false;
  };
  ASSERT_TRUE(over_the_end(p));
  const Program small = shrink(p, over_the_end);
  ASSERT_EQ(small.operations.size(), 2U) << to_text(small);
  EXPECT_EQ(small.operations[0], map_at({0, 0}, 4096, 2)) << to_text(small);
  EXPECT_EQ(small.operations[1], write_at({0, 4095}, 2, 0)) << to_text(small);
}

TEST(Shrink, LevelsBitsAndValuesGoDown) {
  const Program p = amidst({Operation{Op::kFlipEntry, {pack({1, 0x5123}), 3, 63}}, {Op::kFailAllocation, {40}}});
  const auto both = [](const Program& c) { return has(c, Op::kFlipEntry) && has(c, Op::kFailAllocation); };
  EXPECT_EQ(shrink(p, both), (Program{{{Op::kFlipEntry, {pack({0, 0}), 1, 0}}, {Op::kFailAllocation, {1}}}}));
}

TEST(Shrink, WhatOnlyGoesInPairsGoes) {
  // Two flips cancel each other: an odd number of them is no longer a failure.
  const Operation flip{Op::kFlipControl, {1}}, read = read_at({0, 0});
  const Program p{{flip, read, read, read, flip, read_at({0, 4096})}};
  const auto even = [](const Program& c) {
    return std::ranges::count(c.operations, Op::kFlipControl, &Operation::op) % 2 == 0 && has(c, Op::kRead);
  };
  EXPECT_EQ(shrink(p, even), Program{{read}});
}

TEST(Shrink, LimitsAreKept) {
  const Program p = noise(3, 200);
  std::size_t asked = 0;
  const auto never = [&asked](const Program&) { return ++asked == 0; };
  EXPECT_EQ(shrink(p, never, {3, std::chrono::hours(1)}), p);
  EXPECT_EQ(asked, 3U);
  const auto always = [&asked](const Program&) { return ++asked != 0; };
  EXPECT_EQ(shrink(p, always, {1, std::chrono::hours(1)}).operations.size(), 100U);
  asked = 0;
  EXPECT_EQ(shrink(p, always, {1000, std::chrono::milliseconds(0)}), p);
  EXPECT_EQ(asked, 0U);
}

TEST(Shrink, WhatCannotBeSmallerStaysAsItIs) {
  const Program p = noise(4);
  EXPECT_EQ(shrink(p, [&p](const Program& c) { return c == p; }), p);
}

TEST(ShrinkOperand, EverySimplerValueCostsLess) {
  std::mt19937_64 random(11);
  std::size_t seen = 0;
  for (unsigned i = 0; i < 50; ++i) {
    for (const Operation& o : noise(100 + i).operations) {
      for (std::size_t k = 0; k < row(o.op).operand_count(); ++k) {
        const OperandKind kind = row(o.op).operands[k];
        for (const std::int64_t v : simpler(kind, o.operands[k])) {
          EXPECT_LT(cost(kind, v), cost(kind, o.operands[k]));
          ++seen;
        }
      }
    }
  }
  EXPECT_GT(seen, 1000U);
  EXPECT_TRUE(simpler(OperandKind::kAddress, pack({0, 0})).empty());
  EXPECT_TRUE(simpler(OperandKind::kLength, 4096).empty());
}

}  // namespace
}  // namespace faultline::vmm::fuzz

#include "vmm/fuzz/mutate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

bool has(const Program& program, OpClass c) {
  return std::ranges::any_of(program.operations, [c](const Operation& o) { return row(o.op).op_class == c; });
}

TEST(Mutate, ProgramsStayLegal) {
  std::mt19937_64 random(1);
  for (unsigned round = 0; round < 40; ++round) {
    const GenerateOptions options{.operations = round * 7 % 256, .raw = round % 2 == 0, .failures = round % 4 == 0};
    Program program = generate(random, options);
    for (unsigned i = 0; i < 400; ++i) {
      mutate(program, random);
      ASSERT_EQ(illegal(program), std::nullopt) << to_text(program);
    }
  }
}

TEST(Mutate, EveryOperationAndOperandIsReached) {
  std::mt19937_64 random(2);
  std::set<Op> ops;
  std::set<std::pair<Op, std::size_t>> changed;
  for (unsigned i = 0; i < 20'000; ++i) {
    const Program before = generate(random, {.operations = 6, .raw = true, .failures = true});
    Program after = before;
    mutate(after, random);
    for (const Operation& o : after.operations) ops.insert(o.op);
    if (after.operations.size() != before.operations.size()) continue;
    for (std::size_t k = 0; k < after.operations.size(); ++k) {
      const Operation &a = before.operations[k], &b = after.operations[k];
      for (std::size_t n = 0; n < kMaxOperands; ++n) {
        if (a.op == b.op && a.operands[n] != b.operands[n]) changed.insert({a.op, n});
      }
    }
  }
  EXPECT_EQ(ops.size(), kOps);
  std::size_t operands = 0;
  for (const OpRow& r : operation_table()) operands += r.operand_count();
  EXPECT_EQ(changed.size(), operands);
}

TEST(Mutate, RawOperationsComeOnlyToTheirLike) {
  std::mt19937_64 random(3);
  Program program = generate(random, {});
  for (unsigned i = 0; i < 2000; ++i) {
    mutate(program, random);
    ASSERT_FALSE(has(program, OpClass::kRaw) || has(program, OpClass::kFailure));
  }
  bool more = false;
  for (unsigned i = 0; i < 500; ++i) {
    Program raw{{{Op::kFlipControl, {0}}}};
    mutate(raw, random);
    more = more || std::ranges::any_of(raw.operations, [](const Operation& o) { return o.op == Op::kFlipEntry; });
  }
  EXPECT_TRUE(more);
}

TEST(Mutate, TheLongestProgramDoesNotGrow) {
  std::mt19937_64 random(4);
  Program program = generate(random, {.operations = kMaxOperations});
  for (unsigned i = 0; i < 500; ++i) mutate(program, random);
  EXPECT_LE(program.operations.size(), kMaxOperations);
}

TEST(Crossover, IsABeginningAndAnEnd) {
  std::mt19937_64 random(5);
  for (unsigned i = 0; i < 500; ++i) {
    const Program a = generate(random, {.operations = 200}), b = generate(random, {.operations = 200});
    const Program child = crossover(a, b, random);
    ASSERT_EQ(illegal(child), std::nullopt);
    const auto [left, right] = std::ranges::mismatch(a.operations, child.operations);
    const std::size_t rest = static_cast<std::size_t>(child.operations.end() - right);
    if (child.operations.size() == kMaxOperations) continue;
    EXPECT_TRUE(std::equal(right, child.operations.end(), b.operations.end() - static_cast<std::ptrdiff_t>(rest)));
  }
}

}  // namespace
}  // namespace faultline::vmm::fuzz

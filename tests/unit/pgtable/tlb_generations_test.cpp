#include "mmu/pgtable/tlb_generations.hpp"

#include <gtest/gtest.h>

namespace faultline::mmu {
namespace {

constexpr Gpa kA{0x10'0000}, kB{0x20'0000};
constexpr Gva kAt{0x7000'0000};

TlbBatch batch(Gpa root, Gva start, std::uint64_t pages) {
  return {.root = root, .start = start, .end = start + pages * kPageSize, .frames = {}, .pages = pages};
}

struct Generations : ::testing::Test {
  TlbGenerations generations;
  // Pages that are stale since `context` was handed out; nothing: any.
  std::optional<std::vector<Gva>> since(Gpa root, TlbContext context) const {
    return generations.stale_since(root, context.generation);
  }
};

TEST_F(Generations, AnAddressSpaceKeepsItsIdAndIsOlderAfterEachFlush) {
  const TlbContext a = generations.of(kA), b = generations.of(kB);
  EXPECT_NE(a.id, 0U);
  EXPECT_NE(a.id, b.id);
  EXPECT_EQ(generations.of(kA), a);
  generations.flush(batch(kA, kAt, 1));
  EXPECT_EQ(generations.of(kA), (TlbContext{a.id, a.generation + 1, a.kernel}));
  EXPECT_EQ(generations.of(kB), b);
}

TEST_F(Generations, ARootThatServesAgainIsAnotherAddressSpace) {
  const TlbContext first = generations.of(kA);
  EXPECT_TRUE(generations.lives(kA, first.id));
  generations.end(kA);
  EXPECT_FALSE(generations.lives(kA, first.id));
  const TlbContext second = generations.of(kA);
  EXPECT_NE(second.id, first.id);
  EXPECT_FALSE(generations.lives(kA, first.id));
  EXPECT_TRUE(generations.lives(kA, second.id));
}

TEST_F(Generations, EndAllEndsEachOfThem) {
  const TlbContext a = generations.of(kA), b = generations.of(kB);
  generations.end_all();
  EXPECT_FALSE(generations.lives(kA, a.id));
  EXPECT_FALSE(generations.lives(kB, b.id));
  EXPECT_GT(generations.of(kA).id, b.id);
  EXPECT_GT(generations.of(kA).kernel, b.kernel);
}

TEST_F(Generations, AFlushOfOneThatNobodyUsedIsNothing) {
  generations.flush(batch(kA, kAt, 1));
  EXPECT_EQ(generations.of(kA).generation, generations.of(kB).generation);
}

TEST_F(Generations, StalePagesAreNamedOneByOne) {
  const TlbContext start = generations.of(kA);
  EXPECT_EQ(since(kA, start), std::vector<Gva>());
  generations.flush(batch(kA, kAt, 2));
  const TlbContext middle = generations.of(kA);
  generations.flush(batch(kA, kAt + 16 * kPageSize, 1));
  EXPECT_EQ(since(kA, start), (std::vector{kAt, kAt + kPageSize, kAt + 16 * kPageSize}));
  EXPECT_EQ(since(kA, middle), (std::vector{kAt + 16 * kPageSize}));
}

// What maps them is not looked at: a page of 2 MiB is 512 of these.
TEST_F(Generations, ARangeCountsByItsLengthAndNotByItsLeaves) {
  const TlbContext start = generations.of(kA);
  generations.flush({.root = kA, .start = kAt, .end = kAt + (2ULL << 20), .frames = {}, .pages = 1});
  EXPECT_EQ(since(kA, start), std::nullopt);
}

TEST_F(Generations, APartOfAPageIsAllOfIt) {
  const TlbContext start = generations.of(kA);
  generations.flush({.root = kA, .start = kAt + 1, .end = kAt + kPageSize + 1, .frames = {}, .pages = 1});
  EXPECT_EQ(since(kA, start), (std::vector{kAt, kAt + kPageSize}));
}

TEST_F(Generations, TooManyPagesAreAll) {
  const TlbContext start = generations.of(kA);
  generations.flush(batch(kA, kAt, TlbGenerations::kMaxPages));
  EXPECT_EQ(since(kA, start)->size(), TlbGenerations::kMaxPages);
  generations.flush(batch(kA, kAt, 1));
  EXPECT_EQ(since(kA, start), std::nullopt);
}

TEST_F(Generations, TooManyStepsAreAll) {
  const TlbContext start = generations.of(kA);
  for (unsigned i = 0; i < TlbGenerations::kHistory; ++i) generations.flush(batch(kA, kAt + i * kPageSize, 1));
  EXPECT_EQ(since(kA, start)->size(), TlbGenerations::kHistory);
  generations.flush(batch(kA, kAt, 1));
  EXPECT_EQ(since(kA, start), std::nullopt);
}

TEST_F(Generations, UnlinkedTablesAreAll) {
  const TlbContext start = generations.of(kA);
  TlbBatch tables = batch(kA, kAt, 1);
  tables.tables_freed = true;
  generations.flush(tables);
  EXPECT_EQ(since(kA, start), std::nullopt);
  EXPECT_EQ(since(kA, generations.of(kA)), std::vector<Gva>());
}

// A reference table that no CPU has loaded is edited, and every address space shares what is below it.
TEST_F(Generations, TheKernelHalfIsEverybodys) {
  const TlbContext a = generations.of(kA), b = generations.of(kB);
  generations.flush(batch(Gpa(0x30'0000), Gva(0xffff'c900'0000'0000), 1));
  EXPECT_EQ(generations.of(kA), (TlbContext{a.id, a.generation, a.kernel + 1}));
  EXPECT_EQ(generations.of(kB), (TlbContext{b.id, b.generation, a.kernel + 1}));
  generations.flush({.root = kB, .start = Gva(0x1000), .end = Gva(0xffff'ffff'ffff'f000), .frames = {}, .pages = 2});
  EXPECT_EQ(generations.of(kA), (TlbContext{a.id, a.generation, a.kernel + 2}));
  EXPECT_EQ(generations.of(kB), (TlbContext{b.id, b.generation + 1, a.kernel + 2}));
  EXPECT_EQ(since(kB, b), std::nullopt);
}

TEST_F(Generations, NothingIsKnownOfOneThatEnded) {
  const TlbContext start = generations.of(kA);
  generations.end(kA);
  EXPECT_EQ(since(kA, start), std::nullopt);
}

}  // namespace
}  // namespace faultline::mmu

#include "vmm/conform/matrix.hpp"

#include <gtest/gtest.h>

#include <set>

#include "vmm/conform/conformance.hpp"

namespace faultline::vmm::conform {
namespace {

constexpr model::Cpu kCpu{46, true, true, false};

TEST(Matrix, ANumberMeansTheSameCaseInEverySelection) {
  const auto matrix = make_matrix(kCpu);
  std::set<std::uint64_t> numbers;
  for (const Case& c : plan(matrix, {.cases = 5000, .seed = 3}).cases) {
    EXPECT_TRUE(numbers.insert(c.number).second) << c.number << " twice";
    const auto again = find_case(matrix, c.number);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->a, c.a);
    EXPECT_EQ(again->b, c.b);
    EXPECT_EQ(again->form, c.form);
    EXPECT_EQ(again->address(), c.address());
  }
  EXPECT_GT(numbers.size(), 4000U);
}

TEST(Matrix, ASectionHasEveryNumberOnce) {
  for (const Section& s : make_matrix(kCpu)) {
    EXPECT_LT(s.size(), kNumbersPerSection) << s.name;
    const std::uint64_t some = s.size() * 2 / 3;
    EXPECT_EQ(s.number(s.choice(some)), s.id * kNumbersPerSection + some) << s.name;
  }
}

TEST(Matrix, SeedsDifferAndRunsDoNot) {
  const auto matrix = make_matrix(kCpu);
  const auto numbers = [&](std::uint64_t seed) {
    std::vector<std::uint64_t> all;
    for (const Case& c : plan(matrix, {.cases = 3000, .seed = seed}).cases) all.push_back(c.number);
    return all;
  };
  EXPECT_EQ(numbers(1), numbers(1));
  EXPECT_NE(numbers(1), numbers(2));
}

TEST(Matrix, ASampleHasEveryPairOfValues) {
  const auto matrix = make_matrix(kCpu);
  const Section& leaf = matrix.front();
  std::set<std::tuple<std::size_t, unsigned, std::size_t, unsigned>> pairs;
  for (const Case& c : plan({leaf}, {.cases = 8000, .seed = 1}).cases) {
    const Choice choice = leaf.choice(c.number % kNumbersPerSection);
    for (std::size_t i = 0; i < choice.size(); ++i) {
      for (std::size_t k = i + 1; k < choice.size(); ++k) pairs.insert({i, choice[i], k, choice[k]});
    }
  }
  std::size_t all = 0;
  for (std::size_t i = 0; i < leaf.dimensions.size(); ++i) {
    for (std::size_t k = i + 1; k < leaf.dimensions.size(); ++k)
      all += leaf.dimensions[i].values.size() * leaf.dimensions[k].values.size();
  }
  // AC=1 with a user access, and AC=1 with a fetch, are left out.
  EXPECT_EQ(pairs.size(), all - 2);
}

TEST(Matrix, WrongNumbersAreErrors) {
  const auto matrix = make_matrix(kCpu);
  EXPECT_FALSE(find_case(matrix, 0));
  EXPECT_FALSE(find_case(matrix, 99 * kNumbersPerSection));
  EXPECT_FALSE(find_case(matrix, 2 * kNumbersPerSection - 1));
  EXPECT_FALSE(find_case(matrix, ~0ULL));
  EXPECT_FALSE(find_case(matrix, 2 * kNumbersPerSection + 2 * 3 * 64)) << "the walk ends above the entry";
}

TEST(Matrix, MmuAgreesWithTheModel) {
  Request request;
  request.selection = {.cases = 30'000, .seed = 5};
  const Verdict verdict = compare_walkers(request);
  EXPECT_GT(verdict.mmu_compared, 25'000U);
  EXPECT_EQ(verdict.mmu_disagreement_count, 0U)
      << (verdict.mmu_disagreements.empty() ? "" : verdict.mmu_disagreements.front());
  EXPECT_TRUE(verdict.clean());
}

TEST(Matrix, ACaseIsExplainedWithoutAMachine) {
  const auto explained = explain_case(1'000'000'000'023'853, nullptr, nullptr, Baseline());
  ASSERT_TRUE(explained);
  for (const char* part : {"section leaf", "PML4E", "jmp rdi", "expected", "agrees"})
    EXPECT_NE(explained->text.find(part), std::string::npos) << part << " in\n" << explained->text;
}

}  // namespace
}  // namespace faultline::vmm::conform

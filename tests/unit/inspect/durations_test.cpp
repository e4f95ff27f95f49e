#include "vmm/inspect/durations.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace faultline::vmm::inspect {
namespace {

std::uint64_t nearest_rank(std::vector<std::uint64_t> values, double share) {
  std::ranges::sort(values);
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  return values[std::max<std::size_t>(rank, 1) - 1];
}

Durations of(const std::vector<std::uint64_t>& values) {
  Durations d;
  for (const std::uint64_t v : values) d.add(v);
  return d;
}

TEST(DurationsTest, NothingIsZeroEverywhere) {
  const Durations d;
  EXPECT_EQ(d.count(), 0u);
  EXPECT_EQ(d.min(), 0u);
  EXPECT_EQ(d.max(), 0u);
  EXPECT_EQ(d.percentile(0.5), 0u);
  EXPECT_EQ(d.mean(), 0.0);
}

TEST(DurationsTest, FewValuesAreExact) {
  const std::vector<std::uint64_t> values = {5, 1, 9, 3, 1'000'003};
  const Durations d = of(values);
  EXPECT_TRUE(d.exact());
  EXPECT_EQ(d.total(), 1'000'021u);
  EXPECT_EQ(d.min(), 1u);
  EXPECT_EQ(d.max(), 1'000'003u);
  for (const double share : {0.0, 0.2, 0.21, 0.5, 0.9, 0.99, 1.0})
    EXPECT_EQ(d.percentile(share), nearest_rank(values, share)) << share;
}

TEST(DurationsTest, AskingDoesNotDisturbAdding) {
  Durations d = of({5, 1});
  EXPECT_EQ(d.percentile(0.5), 1u);
  d.add(0);
  EXPECT_EQ(d.percentile(0.5), 1u);
  EXPECT_EQ(d.percentile(0.1), 0u);
}

TEST(DurationsTest, ManyValuesAreLessThanHalfAPercentOff) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> spread(9, 3);
  std::vector<std::uint64_t> values;
  for (int n = 0; n < 50'000; ++n) values.push_back(static_cast<std::uint64_t>(spread(random)));
  const Durations d = of(values);
  EXPECT_FALSE(d.exact());
  for (const double share : {0.01, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    const auto exact = static_cast<double>(nearest_rank(values, share));
    EXPECT_NEAR(static_cast<double>(d.percentile(share)), exact, 0.004 * exact + 0.5) << share;
  }
  EXPECT_EQ(d.max(), *std::ranges::max_element(values));
  EXPECT_EQ(d.percentile(1), d.max());
}

TEST(DurationsTest, SwitchingToBucketsLosesNoValue) {
  Durations d;
  for (std::uint64_t n = 0; n < Durations::kExact + 1; ++n) d.add(200);
  EXPECT_FALSE(d.exact());
  EXPECT_EQ(d.count(), Durations::kExact + 1);
  EXPECT_EQ(d.percentile(0.001), 200u);
  EXPECT_EQ(d.percentile(1), 200u);
}

TEST(DurationsTest, TheLargestNumbersFit) {
  Durations d = of({~0ULL, ~0ULL});
  EXPECT_EQ(d.total(), ~0ULL) << "stops there";
  for (std::size_t n = 0; n < Durations::kExact; ++n) d.add(~0ULL);
  EXPECT_EQ(d.percentile(0.5), ~0ULL);
}

TEST(DurationsTest, TwoTogetherAreAsIfAddedToOne) {
  std::vector<std::uint64_t> few = {3, 4}, many;
  for (std::uint64_t n = 1; n <= 5'000; ++n) many.push_back(n * 17);
  std::vector<std::uint64_t> all = few;
  all.insert(all.end(), many.begin(), many.end());
  for (const auto& [first, second] : {std::pair(few, many), std::pair(many, few), std::pair(many, many)}) {
    Durations d = of(first);
    d.add(of(second));
    std::vector<std::uint64_t> both = first;
    both.insert(both.end(), second.begin(), second.end());
    const Durations expected = of(both);
    EXPECT_EQ(d.count(), expected.count());
    EXPECT_EQ(d.total(), expected.total());
    EXPECT_EQ(d.min(), expected.min());
    EXPECT_EQ(d.max(), expected.max());
    for (const double share : {0.1, 0.5, 0.99}) EXPECT_EQ(d.percentile(share), expected.percentile(share));
  }
}

}  // namespace
}  // namespace faultline::vmm::inspect

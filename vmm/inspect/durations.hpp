// How often something happened and how long it took: count, total, extremes, percentiles, in bounded
// memory. The first kExact values are kept as they are, and while there are no more every percentile
// is one of them. Then they go into buckets, 128 for each power of two, and a percentile is the
// middle of its bucket: at most 0.4 % off.
#pragma once

#include <cstdint>
#include <vector>

namespace faultline::vmm::inspect {

class Durations {
 public:
  static constexpr std::size_t kExact = 1000;

  void add(std::uint64_t ns);
  // As if every value of `other` had been added.
  void add(const Durations& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t total() const { return total_; }  // stops at 2^64 - 1
  [[nodiscard]] std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] std::uint64_t max() const { return max_; }
  [[nodiscard]] double mean() const;
  // The smallest value that `share` (0 to 1) of all are not above: 0.5 is the median. 0: no values.
  [[nodiscard]] std::uint64_t percentile(double share) const;
  // Percentiles are values that were added.
  [[nodiscard]] bool exact() const { return buckets_.empty(); }

 private:
  void note(std::uint64_t ns, std::uint64_t times);
  void put(std::uint64_t ns, std::uint64_t times);
  void spill();

  std::uint64_t count_ = 0, total_ = 0, min_ = ~0ULL, max_ = 0;
  mutable std::vector<std::uint64_t> values_;  // as long as there are no buckets; sorted when asked
  mutable bool sorted_ = true;
  std::vector<std::uint64_t> buckets_;  // counts; as many as the largest value needs
};

}  // namespace faultline::vmm::inspect

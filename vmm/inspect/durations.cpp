#include "vmm/inspect/durations.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace faultline::vmm::inspect {

namespace {

constexpr unsigned kBits = 7;  // 128 buckets for each power of two
constexpr std::uint64_t kPerPower = 1ULL << kBits;

// Values below 256 have a bucket each; above, the leading bit and the seven after it choose.
std::size_t bucket_of(std::uint64_t value) {
  if (value < 2 * kPerPower) return value;
  const auto shift = static_cast<unsigned>(std::bit_width(value)) - kBits - 1;
  return shift * kPerPower + (value >> shift);
}

std::uint64_t middle_of(std::size_t bucket) {
  if (bucket < 2 * kPerPower) return bucket;
  const auto shift = static_cast<unsigned>(bucket / kPerPower) - 1;
  const std::uint64_t first = (bucket - shift * kPerPower) << shift;
  return first + ((1ULL << shift) - 1) / 2;
}

std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) { return a + b < a ? ~0ULL : a + b; }

}  // namespace

void Durations::note(std::uint64_t ns, std::uint64_t times) {
  count_ += times;
  min_ = std::min(min_, ns);
  max_ = std::max(max_, ns);
}

void Durations::put(std::uint64_t ns, std::uint64_t times) {
  const std::size_t bucket = bucket_of(ns);
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  buckets_[bucket] += times;
}

void Durations::spill() {
  for (const std::uint64_t value : values_) put(value, 1);
  values_ = {};
  sorted_ = true;
}

void Durations::add(std::uint64_t ns) {
  note(ns, 1);
  total_ = saturating_add(total_, ns);
  if (exact() && values_.size() == kExact) spill();
  if (!exact()) return put(ns, 1);
  sorted_ = values_.empty();
  values_.push_back(ns);
}

void Durations::add(const Durations& other) {
  const std::uint64_t total = saturating_add(total_, other.total_);
  for (const std::uint64_t value : other.values_) add(value);
  if (!other.exact()) {
    spill();
    if (buckets_.size() < other.buckets_.size()) buckets_.resize(other.buckets_.size());
    for (std::size_t n = 0; n < other.buckets_.size(); ++n) buckets_[n] += other.buckets_[n];
    count_ += other.count_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
  }
  total_ = total;
}

double Durations::mean() const { return count_ == 0 ? 0 : static_cast<double>(total_) / static_cast<double>(count_); }

std::uint64_t Durations::percentile(double share) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const std::uint64_t rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, count_);
  if (exact()) {
    if (!sorted_) std::ranges::sort(values_);
    sorted_ = true;
    return values_[rank - 1];
  }
  if (rank == count_) return max_;
  std::uint64_t below = 0;
  for (std::size_t n = 0; n < buckets_.size(); ++n) {
    below += buckets_[n];
    if (below >= rank) return std::clamp(middle_of(n), min_, max_);
  }
  return max_;
}

}  // namespace faultline::vmm::inspect

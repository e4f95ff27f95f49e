// What the host counts of a machine or a vCPU, in its own words: names, units and kinds come from it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::vmm {

enum class StatisticKind : std::uint8_t {
  kCumulative,
  kInstant,
  kPeak,
  kLinearHistogram,       // `bucket` is the width of one
  kLogarithmicHistogram,  // the first counts 0, the next 1, then 2 to 3, 4 to 7 and so on
};
std::string_view name(StatisticKind kind);

enum class StatisticUnit : std::uint8_t { kNone, kBytes, kSeconds, kCycles, kBoolean };
std::string_view name(StatisticUnit unit);  // "" for none

struct HostStatistic {
  std::string name;  // "pf_taken"
  StatisticKind kind = StatisticKind::kCumulative;
  StatisticUnit unit = StatisticUnit::kNone;
  bool power_of_two = false;  // of `exponent`: 2^exponent units, otherwise 10^exponent
  int exponent = 0;
  std::uint32_t bucket = 0;
  std::vector<std::uint64_t> values;  // one, or one a bucket

  [[nodiscard]] bool histogram() const {
    return kind == StatisticKind::kLinearHistogram || kind == StatisticKind::kLogarithmicHistogram;
  }
};

}  // namespace faultline::vmm

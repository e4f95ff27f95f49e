#include "vmm/port/host_statistics.hpp"

namespace faultline::vmm {

std::string_view name(StatisticKind kind) {
  switch (kind) {
    case StatisticKind::kCumulative: return "cumulative";
    case StatisticKind::kInstant: return "instant";
    case StatisticKind::kPeak: return "peak";
    case StatisticKind::kLinearHistogram: return "linear-histogram";
    case StatisticKind::kLogarithmicHistogram: return "logarithmic-histogram";
  }
  return "?";
}

std::string_view name(StatisticUnit unit) {
  switch (unit) {
    case StatisticUnit::kNone: return "";
    case StatisticUnit::kBytes: return "bytes";
    case StatisticUnit::kSeconds: return "seconds";
    case StatisticUnit::kCycles: return "cycles";
    case StatisticUnit::kBoolean: return "boolean";
  }
  return "?";
}

}  // namespace faultline::vmm

// The clock that durations and deadlines are told by.
#pragma once

#include <cstdint>
#include <ctime>

namespace faultline::vmm {

// CLOCK_MONOTONIC in nanoseconds.
[[nodiscard]] inline std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// Adds the nanoseconds until it goes to a sum: a number, or an atomic one.
template <class Sum>
class TimeIn {
 public:
  explicit TimeIn(Sum& sum) : sum_(sum) {}
  ~TimeIn() { sum_ += monotonic_ns() - start_; }
  TimeIn(const TimeIn&) = delete;
  TimeIn& operator=(const TimeIn&) = delete;

 private:
  Sum& sum_;
  std::uint64_t start_ = monotonic_ns();
};

}  // namespace faultline::vmm

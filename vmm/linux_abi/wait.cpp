#include "vmm/linux_abi/wait.hpp"

#include <algorithm>

namespace faultline::vmm::linux_abi {
namespace {
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
}

std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

WaitResult wait_slice(Task& task, std::optional<std::uint64_t> deadline_ns) {
  if (task.signal_pending()) return WaitResult::kSignalled;
  const std::uint64_t now = monotonic_ns();
  if (deadline_ns && *deadline_ns <= now) return WaitResult::kTimedOut;
  const std::uint64_t until = std::min(deadline_ns.value_or(~0ULL), now + kWaitSliceNs);
  const timespec at{static_cast<time_t>(until / kNsPerSecond), static_cast<long>(until % kNsPerSecond)};
  const int error = ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
  return error == 0 && deadline_ns && until == *deadline_ns ? WaitResult::kTimedOut : WaitResult::kNotYet;
}

SysResult<std::uint64_t> nanoseconds(const timespec& t) {
  if (t.tv_sec < 0 || t.tv_nsec < 0 || static_cast<std::uint64_t>(t.tv_nsec) >= kNsPerSecond) return sys_error(EINVAL);
  const auto seconds = static_cast<std::uint64_t>(t.tv_sec);
  constexpr std::uint64_t kMaxSeconds = ~0ULL / kNsPerSecond / 4;
  return std::min(seconds, kMaxSeconds) * kNsPerSecond + static_cast<std::uint64_t>(t.tv_nsec);
}

std::uint64_t deadline_after(Task& task, std::uint64_t ns) {
  auto& deadline = task.wait_state().deadline_ns;
  if (!deadline) deadline = monotonic_ns() + ns;
  return *deadline;
}

}  // namespace faultline::vmm::linux_abi

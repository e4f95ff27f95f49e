#include "vmm/run/kick_timer.hpp"

#include <chrono>

namespace faultline::vmm {

KickTimer::~KickTimer() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void KickTimer::set(std::uint64_t when) {
  when_.store(when, std::memory_order_seq_cst);
  // The thread wakes up in time by itself, and looks again, unless this is earlier than it knows.
  if (when >= known_.load(std::memory_order_seq_cst)) return;
  if (!thread_.joinable()) {
    known_.store(when, std::memory_order_seq_cst);
    thread_ = std::thread([this] { watch(); });
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    known_.store(when, std::memory_order_seq_cst);
  }
  changed_.notify_one();
}

void KickTimer::watch() {
  using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::uint64_t when = when_.load(std::memory_order_seq_cst);
    known_.store(when, std::memory_order_seq_cst);
    if (when != when_.load(std::memory_order_seq_cst)) continue;  // set meanwhile
    if (when == kNever) {
      changed_.wait(lock);
      continue;
    }
    const Clock::time_point deadline{std::chrono::nanoseconds(when)};
    if (Clock::now() < deadline) {
      changed_.wait_until(lock, deadline);
      continue;
    }
    std::uint64_t expected = when;
    if (when_.compare_exchange_strong(expected, kNever, std::memory_order_seq_cst)) vcpu_.kick();
  }
}

}  // namespace faultline::vmm

#include "vmm/run/watchdog.hpp"

#include <utility>

namespace faultline::vmm {

namespace {
constexpr auto kKickInterval = std::chrono::milliseconds(10);
}

Watchdog::Watchdog(Vcpu& vcpu, std::chrono::nanoseconds limit) : Watchdog([&vcpu] { vcpu.kick(); }, limit) {}

Watchdog::Watchdog(std::function<void()> kick, std::chrono::nanoseconds limit) : kick_(std::move(kick)) {
  if (limit.count() == 0) return;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  thread_ = std::thread([this, deadline] { watch(deadline); });
}

Watchdog::~Watchdog() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_one();
  thread_.join();
}

void Watchdog::watch(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  while (!stop_.wait_until(lock, deadline, [this] { return stopping_; })) {
    expired_.store(true, std::memory_order_release);
    kick_();
    deadline = std::chrono::steady_clock::now() + kKickInterval;
  }
}

}  // namespace faultline::vmm

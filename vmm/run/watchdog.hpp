// A thread that kicks the vCPU out of the guest when its time is up, and goes on kicking until
// the run loop noticed: a host call that was about to block must not swallow the only kick.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "vmm/port/vcpu.hpp"

namespace faultline::vmm {

class Watchdog {
 public:
  // `limit` 0: no thread, never expires. `vcpu` outlives the watchdog.
  Watchdog(Vcpu& vcpu, std::chrono::nanoseconds limit);
  // The same for whatever can be kicked from another thread.
  Watchdog(std::function<void()> kick, std::chrono::nanoseconds limit);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  [[nodiscard]] bool expired() const { return expired_.load(std::memory_order_acquire); }

 private:
  void watch(std::chrono::steady_clock::time_point deadline);

  std::function<void()> kick_;
  std::atomic<bool> expired_{false};
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace faultline::vmm

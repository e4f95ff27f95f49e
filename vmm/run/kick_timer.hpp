// Kicks the vCPU out of the guest at a time: the end of a time slice, a timer of the guest's. The
// thread behind it exists from the first time that there is something to wait for.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "vmm/port/vcpu.hpp"

namespace faultline::vmm {

class KickTimer {
 public:
  static constexpr std::uint64_t kNever = ~0ULL;

  // `vcpu` outlives the timer.
  explicit KickTimer(Vcpu& vcpu) : vcpu_(vcpu) {}
  ~KickTimer();
  KickTimer(const KickTimer&) = delete;
  KickTimer& operator=(const KickTimer&) = delete;

  // The next kick comes at `when` (CLOCK_MONOTONIC, nanoseconds) and no other one, kicks on
  // their way excepted. Moving it to later costs nothing but a store.
  void set(std::uint64_t when);

 private:
  void watch();

  Vcpu& vcpu_;
  std::atomic<std::uint64_t> when_{kNever};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
  std::atomic<std::uint64_t> known_{kNever};
  std::thread thread_;
};

}  // namespace faultline::vmm

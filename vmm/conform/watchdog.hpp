// Takes a vCPU out of KVM_RUN when it does not come back in time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "vmm/kvm/system.hpp"

namespace faultline::vmm::conform {

class Watchdog {
 public:
  // `vcpu` outlives this; KVM_RUN is called by the thread that calls arm().
  explicit Watchdog(const kvm::VcpuFd& vcpu);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void arm(std::chrono::milliseconds limit);
  // True when it had to step in since arm().
  bool disarm();

 private:
  void watch();

  const kvm::VcpuFd& vcpu_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  pid_t thread_ = 0;
  bool fired_ = false, stop_ = false;
  std::thread watcher_;
};

}  // namespace faultline::vmm::conform

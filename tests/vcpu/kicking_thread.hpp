// A thread that kicks a vCPU every few milliseconds for as long as it lives.
#pragma once

#include <chrono>
#include <thread>

#include "vmm/port/vcpu.hpp"

namespace faultline::vmm::testing {

class KickingThread {
 public:
  explicit KickingThread(Vcpu& vcpu, std::chrono::microseconds period = std::chrono::milliseconds(5))
      : thread_([&vcpu, period](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            std::this_thread::sleep_for(period);
            vcpu.kick();
          }
        }) {}

 private:
  std::jthread thread_;
};

}  // namespace faultline::vmm::testing

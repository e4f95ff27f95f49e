// SIGINT and SIGTERM as a request to end in order, while a campaign runs.
#pragma once

#include <signal.h>

#include <chrono>

namespace faultline::vmm::fuzz {

class StopSignals {
 public:
  // Blocks both, and SIGCHLD; they come in wait() only. At most one object at a time.
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  // Sleeps, at most so long, shorter when a signal comes or a child ends. How many requests came so far.
  unsigned wait(std::chrono::milliseconds most);

 private:
  sigset_t before_{}, ours_{};
  unsigned count_ = 0;
};

}  // namespace faultline::vmm::fuzz

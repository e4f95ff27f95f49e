#include "vmm/fuzz/campaign/signals.hpp"

#include <ctime>

namespace faultline::vmm::fuzz {

StopSignals::StopSignals() {
  ::sigemptyset(&ours_);
  ::sigaddset(&ours_, SIGINT);
  ::sigaddset(&ours_, SIGTERM);
  ::sigaddset(&ours_, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &ours_, &before_);
}

StopSignals::~StopSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

unsigned StopSignals::wait(std::chrono::milliseconds most) {
  const timespec time{most.count() / 1000, most.count() % 1000 * 1'000'000};
  const int came = ::sigtimedwait(&ours_, nullptr, &time);
  if (came == SIGINT || came == SIGTERM) ++count_;
  return count_;
}

}  // namespace faultline::vmm::fuzz

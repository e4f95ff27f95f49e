#include "vmm/fuzz/campaign/signals.hpp"

#include <ctime>

namespace faultline::vmm::fuzz {

StopSignals::StopSignals() {
  ::sigemptyset(&ours_);
  ::sigaddset(&ours_, SIGINT);
  ::sigaddset(&ours_, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &ours_, &before_);
}

StopSignals::~StopSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

unsigned StopSignals::wait(std::chrono::milliseconds most) {
  const timespec time{most.count() / 1000, most.count() % 1000 * 1'000'000};
  if (::sigtimedwait(&ours_, nullptr, &time) > 0) ++count_;
  return count_;
}

}  // namespace faultline::vmm::fuzz

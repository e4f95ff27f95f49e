#include "vmm/conform/watchdog.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "vmm/kvm/kick_signal.hpp"

namespace faultline::vmm::conform {
namespace {
using Clock = std::chrono::steady_clock;
// A kick that comes just before KVM_RUN is not lost, because immediate_exit is set as well; it is
// repeated all the same.
constexpr std::chrono::milliseconds kAgain{50};
}  // namespace

Watchdog::Watchdog(const kvm::VcpuFd& vcpu) : vcpu_(vcpu) {
  kvm::install_kick_signal();
  watcher_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  watcher_.join();
}

void Watchdog::arm(std::chrono::milliseconds limit) {
  kvm::unblock_kick_signal();
  std::atomic_ref(vcpu_.run().immediate_exit).store(0);
  const std::lock_guard lock(mutex_);
  thread_ = static_cast<pid_t>(::syscall(SYS_gettid));
  deadline_ = Clock::now() + limit;
  fired_ = false;
  changed_.notify_one();
}

bool Watchdog::disarm() {
  const std::lock_guard lock(mutex_);
  deadline_ = Clock::time_point::max();
  return fired_;
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (deadline_ == Clock::time_point::max()) {
      changed_.wait(lock);
      continue;
    }
    if (Clock::now() < deadline_) {
      changed_.wait_until(lock, deadline_);
      continue;
    }
    fired_ = true;
    std::atomic_ref(vcpu_.run().immediate_exit).store(1);
    kvm::send_kick_signal(thread_);
    deadline_ = Clock::now() + kAgain;
  }
}

}  // namespace faultline::vmm::conform

#include "tools/host_signals.hpp"

#include <array>
#include <atomic>

namespace faultline::tools {

namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};

// The receiver stays when its guest is gone: a handler on another thread may be about to look.
std::atomic<void*> current_guest{nullptr};
std::atomic<HostSignals::Receiver> current_receiver{nullptr};

void handle(int signal, siginfo_t* info, void*) {
  if (void* guest = current_guest.load(std::memory_order_acquire))
    current_receiver.load(std::memory_order_relaxed)(guest, signal, info->si_code == SI_KERNEL);
}

}  // namespace

HostSignals::HostSignals(void* guest, Receiver receiver) {
  static_assert(kSignals.size() == kCount);
  current_receiver.store(receiver, std::memory_order_relaxed);
  current_guest.store(guest, std::memory_order_release);
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  for (std::size_t i = 0; i < kCount; ++i) ::sigaction(kSignals[i], &action, &saved_[i]);
}

HostSignals::~HostSignals() {
  for (std::size_t i = 0; i < kCount; ++i) ::sigaction(kSignals[i], &saved_[i], nullptr);
  current_guest.store(nullptr, std::memory_order_release);
}

}  // namespace faultline::tools

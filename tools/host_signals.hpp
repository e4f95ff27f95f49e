// SIGINT, SIGTERM and SIGHUP of the host, while a guest runs.
#pragma once

#include <csignal>
#include <cstddef>

namespace faultline::tools {

// They go to one guest while this lives, and one of these lives at a time. Afterwards they mean what
// they meant before.
class HostSignals {
 public:
  // Called in the signal handler, on any thread. `from_terminal`: the kernel sent it, to the whole
  // foreground group.
  using Receiver = void (*)(void* guest, int signal, bool from_terminal);

  HostSignals(void* guest, Receiver receiver);
  ~HostSignals();
  HostSignals(const HostSignals&) = delete;
  HostSignals& operator=(const HostSignals&) = delete;

 private:
  static constexpr std::size_t kCount = 3;
  struct sigaction saved_[kCount] {};
};

// The signals end the guest: Guest::stop().
template <class Guest>
[[nodiscard]] HostSignals stop_on_signals(Guest& guest) {
  return HostSignals(&guest, [](void* target, int signal, bool) { static_cast<Guest*>(target)->stop(signal); });
}

}  // namespace faultline::tools

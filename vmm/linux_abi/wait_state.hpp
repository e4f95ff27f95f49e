// What a system call that cannot be answered yet waits for. The handler says it and returns
// kBlocked; the scheduler watches, and has the call made again, on the host, when it is time.
#pragma once

#include <poll.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "vmm/linux_abi/signal_types.hpp"

namespace faultline::vmm::linux_abi {

class BlockingOpen;
class OpenFile;

struct FutexKey {
  const void* object = nullptr;  // the address space, or the file mapping that is shared
  std::uint64_t offset = 0;
  bool operator==(const FutexKey&) const = default;
};

struct WaitState {
  // Kept over the rounds of one call.
  std::optional<std::uint64_t> deadline_ns;  // CLOCK_MONOTONIC
  std::uint64_t progress = 0;                // bytes moved so far, or rounds made
  int vfork_child = 0;                       // the call has made this child, and waits for it
  bool asleep = false;                       // a futex waiter has looked at its value
  bool futex_woken = false;                  // and somebody woke it
  bool futex_moved = false;                  // or made it wait for another futex, which `futex` names
  std::shared_ptr<BlockingOpen> open;        // an open(2) that waits for the other end

  // Said anew in every round: any of these ends the wait.
  std::vector<pollfd> fds;                      // of the host
  std::vector<std::shared_ptr<OpenFile>> hold;  // keeps them open meanwhile
  std::optional<std::uint64_t> wake_at_ns;      // CLOCK_MONOTONIC
  SignalSet signals;                            // beside those that are not blocked (sigtimedwait)
  std::optional<FutexKey> futex;
  std::uint32_t futex_bits = ~0U;
  bool on_locks = false;  // any record lock's end

  void begin_round() {
    fds.clear();
    hold.clear();
    wake_at_ns.reset();
    signals = SignalSet();
    if (!futex_moved) futex.reset();
    on_locks = false;
  }
};

}  // namespace faultline::vmm::linux_abi

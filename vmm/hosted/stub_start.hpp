// From a forked copy of the VMM to a stub: everything that the child does before it enters the
// code in the stub's region, and never returns.
#pragma once

#include "vmm/hosted/stub_area.hpp"

namespace faultline::vmm::hosted {

struct StubDescriptors {
  int region = -1;   // the memfd of the stub's region
  int ram = -1;      // of guest RAM
  int command = -1;  // to read from: a byte for each batch of commands; its end ends the stub
  int ack = -1;      // to write to
};

// `place`: where its region is to be.
// In the child of a fork of a process with threads: system calls only, no locks, no heap. What
// fails is left in `area.data.error`, and the child exits with FLH_EXIT_SET_UP.
[[noreturn]] void become_stub(const StubDescriptors& descriptors, StubPlace place, StubArea& area);

// The signal that brings guest code to a stop without an exception.
inline constexpr int kStopSignal = SIGUSR1;
// The signal mask of guest code: all but what exceptions raise, SIGSYS and kStopSignal.
[[nodiscard]] std::uint64_t guest_signal_mask();

}  // namespace faultline::vmm::hosted

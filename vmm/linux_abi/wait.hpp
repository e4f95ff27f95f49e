// Waits in slices: a handler never holds the vCPU's thread longer than kWaitSliceNs, so that
// time limits are looked at however long the guest wants to sleep.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>

#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi {

enum class WaitResult : std::uint8_t {
  kTimedOut,   // the deadline has passed
  kNotYet,     // the slice is over: return kRestartNoIntr
  kSignalled,  // a signal is pending for the guest
};

// Sleeps for a slice or until the deadline (CLOCK_MONOTONIC; absent: none).
WaitResult wait_slice(Task& task, std::optional<std::uint64_t> deadline_ns);

// Nanoseconds of a timespec, saturating; EINVAL when it is not normalised or negative.
SysResult<std::uint64_t> nanoseconds(const timespec& t);

// The deadline of this call: what an earlier round of it had computed, or `ns` from now.
std::uint64_t deadline_after(Task& task, std::uint64_t ns);

}  // namespace faultline::vmm::linux_abi

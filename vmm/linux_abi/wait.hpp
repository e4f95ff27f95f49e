// How a handler waits: it looks whether it must, says for what (WaitState), and returns kBlocked.
// Nothing here ever holds the vCPU's thread.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>

#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi {

enum class WaitResult : std::uint8_t {
  kTimedOut,   // the deadline has passed
  kNotYet,     // return kBlocked; the deadline is in the wait state
  kSignalled,  // a signal is pending for the guest
};

// Until the deadline (CLOCK_MONOTONIC; absent: none).
WaitResult wait_until(Task& task, std::optional<std::uint64_t> deadline_ns);

enum class Wait : std::uint8_t { kReadable, kWritable };
// True: go ahead. Else the descriptor blocks, is not ready, and is in the wait state.
bool ready(Task& task, const std::shared_ptr<OpenFile>& file, Wait what);

// What a handler that cannot go on returns: kBlocked, or kRestartSys when a signal wants delivery.
inline SyscallValue wait_on(const Task& task) { return sys_error(task.signal_pending() ? kRestartSys : kBlocked); }
// The same for what nothing announces: it is tried again after a time that grows to 20 ms.
SyscallValue try_again(Task& task);

// Nanoseconds of a timespec, saturating; EINVAL when it is not normalised or negative.
SysResult<std::uint64_t> nanoseconds(const timespec& t);

// The deadline of this call: what an earlier round of it had computed, or `ns` from now.
std::uint64_t deadline_after(Task& task, std::uint64_t ns);

}  // namespace faultline::vmm::linux_abi

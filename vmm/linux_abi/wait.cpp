#include "vmm/linux_abi/wait.hpp"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>

#include "vmm/host/clock.hpp"

namespace faultline::vmm::linux_abi {
namespace {
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
}

WaitResult wait_until(Task& task, std::optional<std::uint64_t> deadline_ns) {
  if (task.signal_pending()) return WaitResult::kSignalled;
  if (deadline_ns && *deadline_ns <= monotonic_ns()) return WaitResult::kTimedOut;
  task.wait_state().wake_at_ns = deadline_ns;
  return WaitResult::kNotYet;
}

bool ready(Task& task, const std::shared_ptr<OpenFile>& file, Wait what) {
  if (file->regular() || file->directory()) return true;
  const int flags = ::fcntl(file->host_fd(), F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) != 0) return true;
  pollfd p{file->host_fd(), static_cast<short>(what == Wait::kReadable ? POLLIN : POLLOUT), 0};
  // An error of poll itself is left for the call that follows to tell.
  if (::poll(&p, 1, 0) != 0) return p.revents != 0 || errno != EINTR;
  p.revents = 0;
  task.wait_state().fds.push_back(p);
  task.wait_state().hold.push_back(file);
  return false;
}

SyscallValue try_again(Task& task) {
  constexpr std::uint64_t kFirstNs = 500'000, kMaxNs = 20'000'000;
  if (task.signal_pending()) return sys_error(kRestartSys);
  std::uint64_t& rounds = task.wait_state().progress;
  task.wait_state().wake_at_ns = monotonic_ns() + std::min(kMaxNs, kFirstNs << std::min<std::uint64_t>(rounds, 8));
  ++rounds;
  return sys_error(kBlocked);
}

SysResult<std::uint64_t> nanoseconds(const timespec& t) {
  if (t.tv_sec < 0 || t.tv_nsec < 0 || static_cast<std::uint64_t>(t.tv_nsec) >= kNsPerSecond) return sys_error(EINVAL);
  const auto seconds = static_cast<std::uint64_t>(t.tv_sec);
  constexpr std::uint64_t kMaxSeconds = ~0ULL / kNsPerSecond / 4;
  return std::min(seconds, kMaxSeconds) * kNsPerSecond + static_cast<std::uint64_t>(t.tv_nsec);
}

std::uint64_t deadline_after(Task& task, std::uint64_t ns) {
  auto& deadline = task.wait_state().deadline_ns;
  if (!deadline) deadline = monotonic_ns() + ns;
  return *deadline;
}

}  // namespace faultline::vmm::linux_abi

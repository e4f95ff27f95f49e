// poll and select over guest descriptors.
#include <poll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <vector>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/wait.hpp"

namespace faultline::vmm::linux_abi {
namespace {

using Deadline = std::optional<std::uint64_t>;

// Host descriptors in place of the guest's; what is not open is answered here.
struct Request {
  std::vector<pollfd> host;
  std::vector<std::shared_ptr<OpenFile>> hold;
};

Request translate(Task& task, std::span<const pollfd> guest) {
  Request r;
  for (const pollfd& p : guest) {
    auto file = p.fd < 0 ? SysResult<std::shared_ptr<OpenFile>>(nullptr) : task.files().get(p.fd);
    pollfd h{-1, p.events, 0};
    if (!file || (*file && (*file)->path_only())) h.revents = POLLNVAL;
    if (file && *file && !(*file)->path_only()) h.fd = (*file)->host_fd();
    r.host.push_back(h);
    r.hold.push_back(file ? *file : nullptr);
  }
  return r;
}

std::uint64_t count_ready(std::span<const pollfd> fds) {
  return static_cast<std::uint64_t>(std::ranges::count_if(fds, [](const pollfd& p) { return p.revents != 0; }));
}

// Fills in revents; the number of descriptors that have some, or how the wait goes on.
SyscallValue poll_once(Task& task, std::span<pollfd> fds, Deadline deadline) {
  Request r = translate(task, fds);
  std::vector<short> invalid;
  for (const pollfd& p : r.host) invalid.push_back(p.revents);
  if (::poll(r.host.data(), r.host.size(), 0) < 0) return host_result(-1);
  for (std::size_t i = 0; i < fds.size(); ++i) fds[i].revents = static_cast<short>(r.host[i].revents | invalid[i]);
  const std::uint64_t ready = count_ready(fds);
  if (ready > 0) return ready;
  switch (wait_until(task, deadline)) {
    case WaitResult::kTimedOut: return 0;
    case WaitResult::kSignalled: return sys_error(kRestartNoHand);
    case WaitResult::kNotYet: break;
  }
  std::erase_if(r.host, [](const pollfd& p) { return p.fd < 0; });
  task.wait_state().fds = std::move(r.host);
  task.wait_state().hold = std::move(r.hold);
  return sys_error(kBlocked);
}

SyscallValue poll_user(Task& task, Gva at, std::uint64_t count, Deadline deadline) {
  if (count > static_cast<std::uint64_t>(task.files().limit())) return sys_error(EINVAL);
  std::vector<pollfd> fds(count);
  if (mmu::copy_from_user(task.mm(), std::as_writable_bytes(std::span(fds)), at) != 0) return sys_error(EFAULT);
  const SyscallValue result = poll_once(task, fds, deadline);
  if (!result) return result;
  if (mmu::copy_to_user(task.mm(), at, std::as_bytes(std::span(fds))) != 0) return sys_error(EFAULT);
  return result;
}

SyscallValue sys_poll(Task& task, const SyscallArgs& args) {
  const int ms = args.i32(2);
  if (ms < 0) return poll_user(task, args.gva(0), args.u32(1), std::nullopt);
  return poll_user(task, args.gva(0), args.u32(1), deadline_after(task, static_cast<std::uint64_t>(ms) * 1'000'000));
}

SysResult<Deadline> deadline_from(Task& task, Gva at) {
  if (at == Gva(0)) return Deadline{};
  const auto timeout = mmu::get_user<timespec>(task.mm(), at);
  if (!timeout) return tl::unexpected(timeout.error());
  const auto ns = nanoseconds(*timeout);
  if (!ns) return tl::unexpected(ns.error());
  return Deadline(deadline_after(task, *ns));
}

// The mask that holds during the call, as rt_sigsuspend's does.
SysResult<void> take_mask(Task& task, std::uint64_t at, std::uint64_t bytes) {
  if (at == 0) return {};
  if (bytes != sizeof(std::uint64_t)) return sys_error(EINVAL);
  const auto bits = mmu::get_user<std::uint64_t>(task.mm(), Gva(at));
  if (!bits) return tl::unexpected(bits.error());
  if (task.signals().saved_mask) return {};  // of an earlier round of this call
  task.signals().saved_mask = task.signals().blocked;
  task.signals().blocked = SignalSet(*bits) & ~kUnblockable;
  return {};
}

SyscallValue sys_ppoll(Task& task, const SyscallArgs& args) {
  const auto deadline = deadline_from(task, args.gva(2));
  if (!deadline) return propagate(deadline);
  if (auto masked = take_mask(task, args[3], args[4]); !masked) return propagate(masked);
  return poll_user(task, args.gva(0), args.u32(1), *deadline);
}

// --- select: three bit sets ---

struct Sets {
  static constexpr std::array<short, 3> kAsk = {POLLIN, POLLOUT, POLLPRI};
  // Linux POLLIN_SET, POLLOUT_SET, POLLEX_SET.
  static constexpr std::array<short, 3> kMeans = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};
  std::array<std::vector<std::uint64_t>, 3> bits;
  [[nodiscard]] bool has(unsigned set, std::size_t fd) const {
    return !bits[set].empty() && (bits[set][fd / 64] >> (fd % 64) & 1) != 0;
  }
};

SysResult<Sets> read_sets(Task& task, const SyscallArgs& args, std::size_t words) {
  Sets sets;
  for (unsigned s = 0; s < 3; ++s) {
    if (args[s + 1] == 0) continue;
    sets.bits[s].resize(words);
    if (mmu::copy_from_user(task.mm(), std::as_writable_bytes(std::span(sets.bits[s])), args.gva(s + 1)) != 0)
      return sys_error(EFAULT);
  }
  return sets;
}

SyscallValue write_sets(Task& task, const SyscallArgs& args, const Sets& asked, std::span<const pollfd> fds) {
  std::uint64_t total = 0;
  for (unsigned s = 0; s < 3; ++s) {
    if (asked.bits[s].empty()) continue;
    std::vector<std::uint64_t> out(asked.bits[s].size());
    for (const pollfd& p : fds) {
      const auto fd = static_cast<std::size_t>(p.fd);
      if (!asked.has(s, fd) || (p.revents & Sets::kMeans[s]) == 0) continue;
      out[fd / 64] |= std::uint64_t{1} << (fd % 64);
      ++total;
    }
    if (mmu::copy_to_user(task.mm(), args.gva(s + 1), std::as_bytes(std::span(out))) != 0) return sys_error(EFAULT);
  }
  return total;
}

SyscallValue select_user(Task& task, const SyscallArgs& args, Deadline deadline) {
  if (args.i32(0) < 0) return sys_error(EINVAL);
  const std::size_t n = std::min<std::size_t>(args.u32(0), static_cast<std::size_t>(task.files().limit()));
  const auto sets = read_sets(task, args, (n + 63) / 64);
  if (!sets) return propagate(sets);
  std::vector<pollfd> fds;
  for (std::size_t fd = 0; fd < n; ++fd) {
    short events = 0;
    for (unsigned s = 0; s < 3; ++s) events = static_cast<short>(events | (sets->has(s, fd) ? Sets::kAsk[s] : 0));
    if (events != 0) fds.push_back({static_cast<int>(fd), events, 0});
  }
  const SyscallValue ready = poll_once(task, fds, deadline);
  if (!ready) return ready;
  if (std::ranges::any_of(fds, [](const pollfd& p) { return (p.revents & POLLNVAL) != 0; })) return sys_error(EBADF);
  return write_sets(task, args, *sets, fds);
}

SyscallValue sys_select(Task& task, const SyscallArgs& args) {
  Deadline deadline;
  if (args[4] != 0) {
    const auto t = mmu::get_user<timeval>(task.mm(), args.gva(4));
    if (!t) return propagate(t);
    if (t->tv_usec < 0 || t->tv_sec < 0) return sys_error(EINVAL);
    const auto ns = nanoseconds({t->tv_sec + t->tv_usec / 1'000'000, t->tv_usec % 1'000'000 * 1000});
    if (!ns) return propagate(ns);
    deadline = deadline_after(task, *ns);
  }
  return select_user(task, args, deadline);
}

SyscallValue sys_pselect6(Task& task, const SyscallArgs& args) {
  const auto deadline = deadline_from(task, args.gva(4));
  if (!deadline) return propagate(deadline);
  if (args[5] != 0) {
    const auto mask = mmu::get_user<std::array<std::uint64_t, 2>>(task.mm(), args.gva(5));
    if (!mask) return propagate(mask);
    if (auto masked = take_mask(task, (*mask)[0], (*mask)[1]); !masked) return propagate(masked);
  }
  return select_user(task, args, *deadline);
}

}  // namespace

std::span<const SyscallEntry> poll_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_poll, sys_poll}, {SYS_select, sys_select}, {SYS_pselect6, sys_pselect6}, {SYS_ppoll, sys_ppoll}};
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi

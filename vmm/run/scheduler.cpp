#include "vmm/run/scheduler.hpp"

#include <algorithm>

#include "vmm/host/clock.hpp"

namespace faultline::vmm {

using linux_abi::Task;

Result<Task*> Scheduler::next(std::uint64_t now_ns) {
  if (processes_.timers_set) {
    processes_.expire_timers(now_ns);
    timer_.set(std::min(processes_.next_timer_ns(), processes_.living() > 1 ? slice_end_ : KickTimer::kNever));
  }
  // The way of a process that is alone: nothing is looked at but itself.
  const bool goes_on = current_ != nullptr && current_->runnable();
  if (goes_on && !current_->blocked()) {
    if (processes_.living() == 1) {
      slice_end_ = 0;
      return current_;
    }
    if (slice_end_ == 0) start_slice(now_ns);
    if (now_ns < slice_end_) return current_;
    ++statistics_.slices_over;
  }
  return choose(now_ns);
}

// When the next blocked task wants to look again by time.
std::uint64_t Scheduler::earliest_wake() const {
  std::uint64_t earliest = ~0ULL;
  for (const auto& [pid, task] : processes_.all())
    if (task->blocked() && !task->stopped())
      earliest = std::min(earliest, task->wait_state().wake_at_ns.value_or(~0ULL));
  return earliest;
}

void Scheduler::start_slice(std::uint64_t now_ns) {
  slice_end_ = now_ns + kSliceNs;
  const std::uint64_t kick = processes_.living() > 1 ? std::min(slice_end_, earliest_wake()) : KickTimer::kNever;
  timer_.set(std::min(kick, processes_.timers_set ? processes_.next_timer_ns() : KickTimer::kNever));
}

// Round robin by number, the one that ran last at the end.
Task* Scheduler::next_runnable() const {
  const auto& all = processes_.all();
  Task* found = nullptr;
  for (auto it = all.upper_bound(last_pid_); it != all.end() && found == nullptr; ++it)
    if (it->second->runnable()) found = it->second.get();
  for (auto it = all.begin(); it != all.end() && it->first <= last_pid_ && found == nullptr; ++it)
    if (it->second->runnable()) found = it->second.get();
  return found;
}

// Wakes the tasks whose wait is over: by descriptor or time. Waits for the first for
// `timeout_ns` at most; a signal of the host ends that.
void Scheduler::wake_ready(std::uint64_t timeout_ns) {
  fds_.clear();
  waiters_.clear();
  for (const auto& [pid, task] : processes_.all()) {
    if (!task->blocked() || task->stopped()) continue;
    for (const pollfd& p : task->wait_state().fds) {
      fds_.push_back(p);
      waiters_.push_back(task.get());
    }
  }
  const std::uint64_t before = monotonic_ns(), wake = earliest_wake();
  looked_at_ns_ = before;
  const std::uint64_t wait = std::min(timeout_ns, wake > before ? wake - before : 0);
  if (!fds_.empty() || wait != 0) {
    const timespec timeout{static_cast<time_t>(wait / 1'000'000'000), static_cast<long>(wait % 1'000'000'000)};
    const int ready = ::ppoll(fds_.data(), fds_.size(), &timeout, nullptr);
    for (std::size_t i = 0; ready > 0 && i < fds_.size(); ++i)
      if (fds_[i].revents != 0) waiters_[i]->wake();
  }
  const std::uint64_t now = wait != 0 || wake != ~0ULL ? monotonic_ns() : before;
  statistics_.idle_ns += now - before;
  if (wake == ~0ULL) return;
  for (const auto& [pid, task] : processes_.all())
    if (task->blocked() && !task->stopped() && task->wait_state().wake_at_ns.value_or(~0ULL) <= now) task->wake();
}

Result<Task*> Scheduler::choose(std::uint64_t now_ns) {
  if (current_ != nullptr) last_pid_ = current_->pid();
  // Others get to know of their descriptors at the end of a slice even while somebody computes.
  if (processes_.living() > 1 && now_ns >= looked_at_ns_ + kSliceNs) wake_ready(0);
  Task* task = next_runnable();
  if (task == nullptr) {
    std::uint64_t longest = kMaxWaitNs;
    if (processes_.timers_set) {
      const std::uint64_t due = processes_.next_timer_ns(), now = monotonic_ns();
      longest = std::min(longest, due > now ? due - now : 0);
    }
    wake_ready(longest);
    task = next_runnable();
    if (task == nullptr) return nullptr;
    now_ns = monotonic_ns();
  }
  if (auto switched = switch_to(*task); !switched) return tl::unexpected(switched.error());
  start_slice(now_ns);
  return task;
}

namespace {
// What the machine has in the user half found room in the process that ran before. It gets out of
// this one's way as well.
bool make_way(const mmu::AddressSpace& mm) {
  mmu::UserHalf* half = mm.env().user_half;
  if (half == nullptr) return true;
  const auto is_free = [&mm](Gva start, Gva end) {
    const mmu::Vma* vma = mm.vmas.find(start);
    return vma == nullptr || vma->start >= end;
  };
  return std::ranges::all_of(
      mm.vmas, [&](const auto& entry) { return half->make_way(entry.second.start, entry.second.end, is_free); });
}
}  // namespace

Result<void> Scheduler::switch_to(Task& task) {
  if (current_ == &task) return {};
  if (!make_way(task.mm())) return fail("the backend needs addresses that one of the guest's processes uses");
  Task* before = current_;
  ++statistics_.switches;
  if (before != nullptr) {
    linux_abi::CpuContext& old = before->context();
    old.regs = vcpu_.regs();
    old.xsave.resize(vcpu_.xsave_size());
    if (auto got = vcpu_.get_xsave(old.xsave); !got) return got;
    xsave_in_vcpu_ = old.xsave;
  } else {
    xsave_in_vcpu_.clear();
  }
  linux_abi::CpuContext& now = task.context();
  const auto bases = vcpu_.switch_process(Gpa(task.mm().tables().root()), now.bases);
  if (!bases) return tl::unexpected(bases.error());
  if (before != nullptr) before->context().bases = *bases;
  vcpu_.edit_regs() = now.regs;
  // Most processes that come from one program have the same in there.
  if (now.xsave != xsave_in_vcpu_) {
    ++statistics_.fpu_loads;
    if (auto set = vcpu_.set_xsave(now.xsave); !set) return set;
  }
  current_ = &task;
  return {};
}

}  // namespace faultline::vmm

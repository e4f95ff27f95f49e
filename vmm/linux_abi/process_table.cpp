#include "vmm/linux_abi/process_table.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "mmu/space/uaccess.hpp"
#include "vmm/linux_abi/futex_key.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr int kMaxPid = 4'194'304;  // PID_MAX_LIMIT
constexpr int kReservedPids = 300;  // RESERVED_PIDS: numbers start over above
constexpr std::uint64_t kNsPerTick = 10'000'000;

// What the host has under this number would show under /proc/PID in its place.
bool exists_on_host(int pid) { return ::kill(pid, 0) == 0 || errno != ESRCH; }

SignalInfo child_signal(const Task& child, int signo, int code, int status) {
  SignalInfo s = SignalInfo::from_user(signo, code, child.pid(), child.config().uid);
  s.info.si_status = status;
  const ResourceUse use = child.resource_use();
  s.info.si_utime = static_cast<clock_t>(use.user_ns / kNsPerTick);
  s.info.si_stime = static_cast<clock_t>(use.system_ns / kNsPerTick);
  return s;
}

void tell_parent_of_job(Task& task, int code, int status) {
  Task* parent = task.kin.parent;
  if (parent == nullptr) return;
  const KernelSigaction action = parent->signals().action(SIGCHLD);
  if (action.handler != reinterpret_cast<std::uint64_t>(SIG_IGN) && (action.flags & SA_NOCLDSTOP) == 0)
    parent->queue_signal(child_signal(task, SIGCHLD, code, status));
  parent->wake();
}

}  // namespace

ProcessTable::ProcessTable(std::size_t max) : max_(max) {
  locks.on_release = [this] {
    for (const auto& [pid, task] : tasks_)
      if (task->wait_state().on_locks) task->wake();
  };
}

ProcessTable::~ProcessTable() { locks.on_release = nullptr; }

Task& ProcessTable::add_first(std::unique_ptr<Task> task) {
  first_ = task.get();
  last_pid_ = task->pid();
  first_->kin.group = ::getpgrp();
  first_->kin.session = ::getsid(0);
  ++living_;
  ++started_;
  tasks_[task->pid()] = std::move(task);
  return *first_;
}

SysResult<int> ProcessTable::reserve_pid(const Task& parent) {
  if (tasks_.size() >= max_) return sys_error(EAGAIN);
  if (parent.config().euid != 0 && tasks_.size() >= parent.limits[RLIMIT_NPROC].rlim_cur) return sys_error(EAGAIN);
  int pid = last_pid_;
  do {
    pid = pid + 1 < kMaxPid ? pid + 1 : kReservedPids;
    if (pid == last_pid_) return sys_error(EAGAIN);
  } while (tasks_.contains(pid) || pid == first_->pid() || exists_on_host(pid));
  last_pid_ = pid;
  return pid;
}

Task& ProcessTable::add(std::unique_ptr<Task> child, Task* parent) {
  Task& task = *child;
  task.kin.parent = parent;
  if (parent != nullptr) parent->kin.children.push_back(&task);
  ++living_;
  ++started_;
  tasks_[task.pid()] = std::move(child);
  return task;
}

Task* ProcessTable::find(int pid) const {
  const auto it = tasks_.find(pid);
  return it == tasks_.end() ? nullptr : it->second.get();
}

std::vector<const mmu::AddressSpace*> ProcessTable::address_spaces() const {
  std::vector<const mmu::AddressSpace*> spaces;
  if (ended_first_ && ended_first_->has_mm()) spaces.push_back(&ended_first_->mm());
  for (const auto& [pid, task] : tasks_)
    if (task->has_mm() && std::ranges::find(spaces, &task->mm()) == spaces.end()) spaces.push_back(&task->mm());
  return spaces;
}

bool ProcessTable::executes(mmu::FileId file) const {
  return std::ranges::any_of(
      tasks_, [file](const auto& entry) { return !entry.second->exit_status() && entry.second->executes(file); });
}

ResourceUse ProcessTable::total_use() const {
  ResourceUse total = ended_use_;
  for (const auto& [pid, task] : tasks_)
    if (task->has_mm()) total.add(task->resource_use());
  return total;
}

void ProcessTable::release_vfork(Task& child) {
  if (Task* parent = std::exchange(child.kin.vfork_parent, nullptr)) parent->wake();
}

void ProcessTable::bury(Task& task) {
  FL_CHECK(task.exit_status());
  // Linux mm_release: only somebody who shares the memory could see it.
  if (task.clear_child_tid != 0 && task.kin.vfork_parent != nullptr) {
    if (mmu::put_user(task.mm(), Gva(task.clear_child_tid), std::uint32_t{0}))
      wake_futex(futex_key(task.mm(), Gva(task.clear_child_tid), FutexScope::kShared), 1, ~0U);
  }
  task.settle_vfork_faults();
  release_vfork(task);
  for (const auto& [pid, other] : tasks_)  // a child that it was killed waiting for
    if (other->kin.vfork_parent == &task) other->kin.vfork_parent = nullptr;
  leave_children(task);
  // Nobody is left who could: what is dirty goes to the host's files. An error has nobody left to
  // go to but fsync's earlier callers.
  if (living_ == 1) static_cast<void>(task.coherence().write_back_all());
  const bool first = &task == first_;
  task.release(first);
  task.real_timer = {};
  --living_;
  ended_use_.add(task.resource_use());
  if (first) {
    auto node = tasks_.extract(task.pid());
    ended_first_ = std::move(node.mapped());
    return;
  }
  tell_parent_of_end(task);
}

void ProcessTable::tell_parent_of_end(Task& task) {
  Task* parent = task.kin.parent;
  if (parent == nullptr) return static_cast<void>(tasks_.erase(task.pid()));
  const KernelSigaction action = parent->signals().action(SIGCHLD);
  const bool ignored = action.handler == reinterpret_cast<std::uint64_t>(SIG_IGN);
  const bool unwanted = task.kin.exit_signal == SIGCHLD && (ignored || (action.flags & SA_NOCLDWAIT) != 0);
  if (task.kin.exit_signal != 0 && !(unwanted && ignored)) {
    const ExitStatus status = *task.exit_status();
    const bool killed = status.signal != 0;
    parent->queue_signal(child_signal(task, task.kin.exit_signal, killed ? CLD_KILLED : CLD_EXITED,
                                      killed ? status.signal : status.code));
  }
  if (unwanted) reap(task);
  parent->wake();
}

void ProcessTable::reap(Task& zombie) {
  if (zombie.kin.parent != nullptr) std::erase(zombie.kin.parent->kin.children, &zombie);
  tasks_.erase(zombie.pid());
}

// Linux forget_original_parent: init gets them, and waits for them at once.
void ProcessTable::leave_children(Task& task) {
  const std::vector<Task*> children = std::exchange(task.kin.children, {});
  std::vector<int> groups;
  for (Task* child : children) {
    child->kin.parent = nullptr;
    if (child->exit_status()) {
      tasks_.erase(child->pid());
    } else if (child->kin.session == task.kin.session && child->kin.group != task.kin.group) {
      groups.push_back(child->kin.group);
    }
  }
  hang_up_orphans(groups);
}

// Linux kill_orphaned_pgrp: a group that was just orphaned and has stopped members.
void ProcessTable::hang_up_orphans(const std::vector<int>& groups) {
  for (const int group : groups) {
    if (!orphaned(group)) continue;
    const auto in_group = [group](const auto& entry) { return entry.second->kin.group == group; };
    const auto stopped = [&](const auto& entry) { return in_group(entry) && entry.second->stopped(); };
    if (std::ranges::none_of(tasks_, stopped)) continue;
    for (const auto& entry : tasks_) {
      if (!in_group(entry)) continue;
      for (const int signo : {SIGHUP, SIGCONT})
        entry.second->queue_signal(SignalInfo::from_user(signo, SI_KERNEL, 0, 0));
    }
  }
}

void ProcessTable::stop(Task& task, int signo) {
  task.job = {.stopped = true, .signal = signo, .news = JobState::News::kStopped};
  tell_parent_of_job(task, CLD_STOPPED, signo);
}

void ProcessTable::resume(Task& task) {
  if (!task.job.stopped) return;
  task.job = {.stopped = false, .signal = SIGCONT, .news = JobState::News::kContinued};
  tell_parent_of_job(task, CLD_CONTINUED, SIGCONT);
}

bool ProcessTable::all_stopped() const {
  return living_ > 0 && std::ranges::all_of(tasks_, [](const auto& entry) {
           return entry.second->exit_status() || entry.second->stopped();
         });
}

bool ProcessTable::group_in_session(int group, int session) const {
  return std::ranges::any_of(tasks_, [&](const auto& entry) {
    return entry.second->kin.group == group && entry.second->kin.session == session;
  });
}

bool ProcessTable::orphaned(int group) const {
  return std::ranges::none_of(tasks_, [&](const auto& entry) {
    const Task& task = *entry.second;
    if (task.kin.group != group || task.exit_status()) return false;
    if (&task == first_) {  // its parent is the host's
      const pid_t parent = ::getppid();
      return ::getsid(parent) == task.kin.session && ::getpgid(parent) != group;
    }
    const Task* parent = task.kin.parent;
    return parent != nullptr && parent->kin.session == task.kin.session && parent->kin.group != group;
  });
}

unsigned ProcessTable::wake_futex(const FutexKey& key, unsigned count, std::uint32_t bits) {
  unsigned woken = 0;
  for (const auto& [pid, task] : tasks_) {
    WaitState& wait = task->wait_state();
    if (woken == count) break;
    if (!task->blocked() || wait.futex != key || (wait.futex_bits & bits) == 0 || wait.futex_woken) continue;
    wait.futex_woken = true;
    task->wake();
    ++woken;
  }
  return woken;
}

unsigned ProcessTable::requeue_futex(const FutexKey& from, const FutexKey& to, unsigned move) {
  unsigned moved = 0;
  for (const auto& [pid, task] : tasks_) {
    WaitState& wait = task->wait_state();
    if (moved == move) break;
    if (!task->blocked() || wait.futex != from || wait.futex_woken) continue;
    wait.futex = to;
    wait.futex_moved = true;
    ++moved;
  }
  return moved;
}

void ProcessTable::note(const std::string& line) {
  constexpr std::size_t kMaxNotes = 16;
  if (notes_.size() < kMaxNotes && std::ranges::find(notes_, line) == notes_.end()) notes_.push_back(line);
}

std::uint64_t ProcessTable::next_timer_ns() const {
  std::uint64_t next = ~0ULL;
  for (const auto& [pid, task] : tasks_)
    if (task->real_timer.due_ns != 0) next = std::min(next, task->real_timer.due_ns);
  return next;
}

void ProcessTable::expire_timers(std::uint64_t now_ns) {
  timers_set = false;
  for (const auto& [pid, task] : tasks_) {
    RealTimer& timer = task->real_timer;
    if (timer.due_ns != 0 && timer.due_ns <= now_ns) {
      const std::uint64_t periods = timer.interval_ns != 0 ? (now_ns - timer.due_ns) / timer.interval_ns + 1 : 0;
      timer.due_ns = periods != 0 ? timer.due_ns + periods * timer.interval_ns : 0;
      task->queue_signal(SignalInfo::from_user(SIGALRM, SI_KERNEL, 0, 0));
    }
    timers_set |= timer.due_ns != 0;
  }
}

}  // namespace faultline::vmm::linux_abi

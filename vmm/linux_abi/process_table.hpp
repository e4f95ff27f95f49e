// All processes of a guest: who is who's child, which groups they form, how they end, and what
// they share (Linux kernel/fork.c, exit.c, sys.c, as far as it concerns more than one process).
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/linux_abi/record_locks.hpp"
#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi {

class ProcessTable {
 public:
  static constexpr std::size_t kDefaultMax = 1024;

  // At most `max` processes at a time, those that ended and were not waited for included.
  explicit ProcessTable(std::size_t max = kDefaultMax);
  ~ProcessTable();
  ProcessTable(const ProcessTable&) = delete;
  ProcessTable& operator=(const ProcessTable&) = delete;

  // The guest's first process. It stays readable after its end, its memory too.
  Task& add_first(std::unique_ptr<Task> task);
  [[nodiscard]] Task& first() const { return *first_; }
  [[nodiscard]] bool has_first() const { return first_ != nullptr; }

  // A number for a child of `parent` that no process of the guest, and none of the host, has.
  // EAGAIN: too many processes, by the table's own limit or RLIMIT_NPROC.
  SysResult<int> reserve_pid(const Task& parent);
  // The child of `parent` (null: an orphan) is there from now on.
  Task& add(std::unique_ptr<Task> child, Task* parent);
  // A process by its number, living or not waited for yet; null.
  [[nodiscard]] Task* find(int pid) const;
  // By number.
  using Tasks = std::map<int, std::unique_ptr<Task>>;
  [[nodiscard]] const Tasks& all() const { return tasks_; }
  // Those that have not ended.
  [[nodiscard]] std::size_t living() const { return living_; }
  // How many there have been; more than one: somebody forked.
  [[nodiscard]] std::uint64_t started() const { return started_; }
  [[nodiscard]] bool ever_forked() const { return started_ > 1; }
  // Faults and times of all, ended or not.
  [[nodiscard]] ResourceUse total_use() const;
  // Each address space once.
  [[nodiscard]] std::vector<const mmu::AddressSpace*> address_spaces() const;

  // A process runs this file (Linux deny_write_access).
  [[nodiscard]] bool executes(mmu::FileId file) const;

  // After terminate(): frees what the process has, leaves its children to nobody, tells its
  // parent. `task` may be gone afterwards (Linux do_exit, exit_notify).
  void bury(Task& task);
  // A zombie was waited for: it is gone afterwards (Linux release_task).
  void reap(Task& zombie);
  // A vfork child has its own memory, or none, from now on: its parent goes on.
  static void release_vfork(Task& child);

  // Job control: tells the parent (Linux do_notify_parent_cldstop).
  static void stop(Task& task, int signo);
  static void resume(Task& task);
  // Somebody lives, and all who do are stopped.
  [[nodiscard]] bool all_stopped() const;
  [[nodiscard]] bool group_in_session(int group, int session) const;
  // Nobody in the group has a parent in the same session and another group (POSIX).
  [[nodiscard]] bool orphaned(int group) const;
  // The terminal's foreground group as the guest set it; 0: the host's.
  int foreground_group = 0;

  // Wakes at most `count` waiters on `key` whose bits meet `bits`; how many there were.
  unsigned wake_futex(const FutexKey& key, unsigned count, std::uint32_t bits);
  // The waiters on `from` beyond `wake` wait on `to`, at most `move` of them.
  unsigned requeue_futex(const FutexKey& from, const FutexKey& to, unsigned move);

  // When the next ITIMER_REAL is due (CLOCK_MONOTONIC); ~0: none is set.
  [[nodiscard]] std::uint64_t next_timer_ns() const;
  // Sends the signals of those that are due.
  void expire_timers(std::uint64_t now_ns);
  // Whoever sets a timer says so: next_timer_ns() is asked only then.
  bool timers_set = false;

  // What the person at the command line should hear of when things went wrong: each line once.
  void note(const std::string& line);
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  // Told when a signal is delivered, or continues a process. Empty: nobody wants to know.
  std::function<void(const Task&, const SignalInfo&, SignalOutcome)> on_signal;

  RecordLocks locks;
  SyscallStatistics statistics;  // of all

 private:
  void tell_parent_of_end(Task& task);
  void leave_children(Task& task);
  void hang_up_orphans(const std::vector<int>& groups);

  std::vector<std::string> notes_;
  std::size_t max_;
  std::size_t living_ = 0;
  std::uint64_t started_ = 0;
  ResourceUse ended_use_;
  int last_pid_ = 0;
  Task* first_ = nullptr;
  std::unique_ptr<Task> ended_first_;
  Tasks tasks_;
};

}  // namespace faultline::vmm::linux_abi

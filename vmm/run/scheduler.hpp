// Which process has the vCPU (one vCPU, one thread): a task runs until it blocks, stops or ends,
// or its time slice is over; then the next one by number that can. What blocked tasks wait for is
// watched here: the guest is never entered to ask.
#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "vmm/linux_abi/process_table.hpp"
#include "vmm/run/kick_timer.hpp"

namespace faultline::vmm {

struct SchedulerStatistics {
  std::uint64_t switches = 0;     // another task got the vCPU
  std::uint64_t slices_over = 0;  // taken from a task that would have gone on
  std::uint64_t idle_ns = 0;      // all were waiting
  std::uint64_t fpu_loads = 0;    // switches that had to load extended state
};

class Scheduler {
 public:
  static constexpr std::uint64_t kSliceNs = 10'000'000;
  // While all wait, the caller gets to look at limits and host signals this often.
  static constexpr std::uint64_t kMaxWaitNs = 50'000'000;

  // All outlive the scheduler; the first task is in the vCPU.
  Scheduler(Vcpu& vcpu, linux_abi::ProcessTable& processes)
      : vcpu_(vcpu), processes_(processes), timer_(vcpu), current_(&processes.first()) {}

  // The task that may go on now, switched to if need be. One that is blocked has its call made
  // again by the caller, on the host: it may be over. Null: none can go on yet; the caller looks at
  // its limits and asks again. Error: the host failed.
  // `now_ns`: when the vCPU was left (CLOCK_MONOTONIC).
  Result<linux_abi::Task*> next(std::uint64_t now_ns);
  // The current task was buried.
  void forget_current() { current_ = nullptr; }
  // The task whose state is in the vCPU; null: that one ended.
  [[nodiscard]] linux_abi::Task* current() const { return current_; }

  [[nodiscard]] const SchedulerStatistics& statistics() const { return statistics_; }

 private:
  Result<linux_abi::Task*> choose(std::uint64_t now_ns);
  linux_abi::Task* next_runnable() const;
  void wake_ready(std::uint64_t timeout_ns);
  Result<void> switch_to(linux_abi::Task& task);
  void start_slice(std::uint64_t now_ns);
  [[nodiscard]] std::uint64_t earliest_wake() const;

  Vcpu& vcpu_;
  linux_abi::ProcessTable& processes_;
  KickTimer timer_;
  linux_abi::Task* current_;
  int last_pid_ = 0;                       // of the task that ran last
  std::uint64_t slice_end_ = 0;            // 0: nobody to share with
  std::uint64_t looked_at_ns_ = 0;         // when descriptors were last looked at
  std::vector<pollfd> fds_;                // reused
  std::vector<linux_abi::Task*> waiters_;  // of fds_, one for each
  std::vector<std::byte> xsave_in_vcpu_;   // what was loaded or saved last; empty: not known
  SchedulerStatistics statistics_;
};

}  // namespace faultline::vmm

// Records every page fault that a process and its children take in user mode, and counts those that come with
// registers, the kernel's copies from and to user memory included: both by perf_event_open.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "tests/differential/judge/user_fault.hpp"
#include "vmm/tracepoint/fault_tracepoint.hpp"

namespace faultline::test {

class NativeFaults {
 public:
  NativeFaults();
  ~NativeFaults();
  NativeFaults(const NativeFaults&) = delete;
  NativeFaults& operator=(const NativeFaults&) = delete;

  // Call it before the process executes its program, pinned to one CPU: recording starts at the execve.
  void attach(pid_t process);

  // Empty when the tracepoint could be attached, otherwise why not.
  [[nodiscard]] const std::string& why_not() const { return why_not_; }

  // After the process has ended. `problem` is set when not every fault was recorded.
  [[nodiscard]] FaultHistory take(std::string& problem);
  // How many programs were executed, the first one included, as of take().
  [[nodiscard]] std::uint64_t programs() const { return programs_; }

  // PERF_COUNT_SW_PAGE_FAULTS, after the process has ended.
  [[nodiscard]] std::uint64_t page_faults() const;

 private:
  void open_counter(pid_t process);
  void open_tracepoint(pid_t process);

  vmm::FaultTracepoint tracepoint_;
  std::string why_not_;
  pid_t process_ = -1;
  int event_ = -1;
  int counter_ = -1;
  void* ring_ = nullptr;
  std::uint64_t programs_ = 0;
};

}  // namespace faultline::test

// The run loop: one direction, KVM exit -> request -> handle_page_fault or system call ->
// signals -> resume, until the task ends, a limit is reached or the vCPU dies.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "vmm/linux_abi/task.hpp"
#include "vmm/port/vcpu.hpp"
#include "vmm/run/fault_recorder.hpp"
#include "vmm/run/limits.hpp"
#include "vmm/run/storm_detector.hpp"

namespace faultline::vmm {

// The task ended by itself or by a signal.
struct TaskExited {
  linux_abi::ExitStatus status;
};
struct LimitReached {
  LimitKind kind;
  std::string detail;  // one line: which limit, where the guest was
};
struct VcpuDied {
  FatalEvent event;
};
using RunEnd = std::variant<TaskExited, LimitReached, VcpuDied>;

// What the guest did last that could end it, for the report.
struct LastTrap {
  std::variant<PageFaultEvent, ExceptionEvent> event;
  UserRegs regs;
  linux_abi::SignalInfo signal;
  mmu::FaultResult fault = mmu::FaultResult::kResolved;  // of a page fault: why it was not resolved
};

struct RunStatistics {
  std::uint64_t exits = 0, page_faults = 0, syscalls = 0, exceptions = 0, interrupts = 0;
  std::uint64_t guest_ns = 0;                       // inside the vCPU
  std::map<mmu::FaultStep, std::uint64_t> by_path;  // resolved faults by the step that decided
  std::map<mmu::FaultResult, std::uint64_t> by_result;
};

class Runner {
 public:
  // All outlive the runner. `recorder` may be null.
  Runner(Vcpu& vcpu, linux_abi::Task& task, const RunLimits& limits, FaultRecorder* recorder)
      : vcpu_(vcpu), task_(task), limits_(limits), storm_(limits.storm), recorder_(recorder) {}

  // Runs until the end. Error: the host failed.
  Result<RunEnd> run();

  // Asks for a signal to be sent to the guest, from a signal handler of the host (SIGINT).
  void request_signal(int signo);

  [[nodiscard]] const RunStatistics& statistics() const { return statistics_; }
  // The trap behind the signal that ended the task, if that is how it ended.
  [[nodiscard]] const std::optional<LastTrap>& fatal_trap() const { return fatal_trap_; }

 private:
  std::optional<RunEnd> handle(const PageFaultEvent& event);
  std::optional<RunEnd> handle(const ExceptionEvent& event);
  std::optional<RunEnd> handle(const SyscallEvent& event);
  std::optional<RunEnd> handle(const InterruptedEvent& event);
  std::optional<RunEnd> handle(const FatalEvent& event);
  std::optional<RunEnd> check_exit_limit();
  void forward_signals();

  Vcpu& vcpu_;
  linux_abi::Task& task_;
  RunLimits limits_;
  StormDetector storm_;
  FaultRecorder* recorder_;
  RunStatistics statistics_;
  std::optional<LastTrap> trap_;  // of the event being handled, when it raised a signal
  std::optional<LastTrap> fatal_trap_;
  std::atomic<std::uint64_t> requested_signals_{0};  // bit n-1: signal n
};

}  // namespace faultline::vmm

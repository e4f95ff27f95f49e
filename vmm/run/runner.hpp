// The run loop: one direction, KVM exit -> request -> handle_page_fault or system call ->
// signals -> resume, for the process whose turn it is, until all have ended, a limit is reached
// or the vCPU dies.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>

#include "vmm/linux_abi/process_table.hpp"
#include "vmm/port/vcpu.hpp"
#include "vmm/run/debugger.hpp"
#include "vmm/run/fault_recorder.hpp"
#include "vmm/run/kick_timer.hpp"
#include "vmm/run/limits.hpp"
#include "vmm/run/run_recorder.hpp"
#include "vmm/run/scheduler.hpp"
#include "vmm/run/storm_detector.hpp"

namespace faultline::vmm {

// All processes have ended; the status is the first one's.
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

class Watchdog;

class Runner {
 public:
  // All outlive the runner. `recorder` may be null.
  Runner(Vcpu& vcpu, linux_abi::ProcessTable& processes, const RunLimits& limits, FaultRecorder* recorder)
      : vcpu_(vcpu),
        processes_(processes),
        scheduler_(vcpu, processes),
        limits_(limits),
        tick_timer_(vcpu),
        recorder_(recorder) {}

  // Runs until the end. Error: the host failed.
  Result<RunEnd> run();

  // Asks for a signal to be sent to the guest, from a signal handler of the host (SIGINT): to
  // the first process, or to all that are left when that has ended; with `from_terminal` to the
  // terminal's foreground group.
  void request_signal(int signo, bool from_terminal = false);
  // Told when a fault or an exception killed a process other than the first, while its memory is
  // still there.
  using OnFatal = std::function<void(linux_abi::Task&, const LastTrap&)>;
  void set_on_fatal(OnFatal told) { on_fatal_ = std::move(told); }
  // Records the run; outlives it. Before run().
  void set_recording(RunRecorder& recording) { recording_ = &recording; }
  // Who watches from outside; outlives the run. Before run().
  void set_debugger(Debugger& debugger) { debugger_ = &debugger; }
  // Has `tick` called every `interval` (more than 0) while the guest runs, on run()'s thread.
  void set_ticker(std::chrono::nanoseconds interval, std::function<void()> tick);

  [[nodiscard]] const RunStatistics& statistics() const { return statistics_; }
  [[nodiscard]] const SchedulerStatistics& scheduling() const { return scheduler_.statistics(); }
  // The trap behind the signal that ended the first process, if that is how it ended.
  [[nodiscard]] const std::optional<LastTrap>& fatal_trap() const { return fatal_trap_; }

 private:
  std::optional<RunEnd> handle(const PageFaultEvent& event);
  std::optional<RunEnd> handle(const ExceptionEvent& event);
  std::optional<RunEnd> handle(const SyscallEvent& event);
  std::optional<RunEnd> handle(const InterruptedEvent& event);
  std::optional<RunEnd> handle(const FatalEvent& event);
  std::optional<RunEnd> check_exit_limit();
  void forward_signals();
  Result<std::optional<RunEnd>> step();
  void take_turn(linux_abi::Task& task);
  void end_of(linux_abi::Task& task);
  void retry_syscall();
  void account(linux_abi::Task& task);
  void stop_with_guest();
  void tick();
  Result<std::optional<RunEnd>> enter_guest();
  [[nodiscard]] std::uint64_t idle_ns() const;
  Result<RunEnd> run_to_end();

  Vcpu& vcpu_;
  linux_abi::ProcessTable& processes_;
  Scheduler scheduler_;
  RunLimits limits_;
  linux_abi::Task* task_ = nullptr;                // whose turn it is, or was last; null: it ended
  std::unordered_map<int, StormDetector> storms_;  // by process
  StormDetector* storm_ = nullptr;                 // of task_
  OnFatal on_fatal_;
  Debugger* debugger_ = nullptr;
  const Watchdog* watchdog_ = nullptr;  // of run()
  std::function<void()> tick_;
  std::uint64_t tick_interval_ns_ = 0, next_tick_ns_ = ~0ULL;
  KickTimer tick_timer_;
  FaultRecorder* recorder_;
  RunRecorder* recording_ = nullptr;
  RunStatistics statistics_;
  std::optional<LastTrap> trap_;  // of the event being handled, when it raised a signal
  std::optional<LastTrap> fatal_trap_;
  std::atomic<std::uint64_t> requested_signals_{0};  // bit n-1: signal n
  std::atomic<std::uint64_t> terminal_signals_{0};   // the same, for the foreground group
  std::uint64_t left_ns_ = 0;                        // when the vCPU was left last
  std::uint64_t accounted_ns_ = 0;                   // processor time is counted up to here
  std::uint64_t idle_ns_ = 0;                        // the scheduler's, then
};

}  // namespace faultline::vmm

// One guest process with one thread: what the kernel's task_struct holds of it.
//
// Driven by the thread that runs its vCPU; the caller holds the address space's lock
// exclusively around each call (docs/architecture.md, "Locks"). Tasks share nothing but what
// the constructor is given, so several can exist.
#pragma once

#include <sys/resource.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mmu/fault/fault.hpp"
#include "mmu/space/address_space.hpp"
#include "vmm/linux_abi/file_coherence.hpp"
#include "vmm/linux_abi/file_system.hpp"
#include "vmm/linux_abi/file_table.hpp"
#include "vmm/linux_abi/signal_types.hpp"
#include "vmm/linux_abi/syscall.hpp"
#include "vmm/port/vcpu.hpp"

namespace faultline::vmm::linux_abi {

// How a process ended. Exactly one of the two counts: signal != 0 means killed by it.
struct ExitStatus {
  int code = 0;
  int signal = 0;
  // As a shell reports it: the code, or 128 + signal.
  [[nodiscard]] int shell_status() const { return signal != 0 ? 128 + signal : code; }
  bool operator==(const ExitStatus&) const = default;
};

struct SignalState {
  std::map<int, KernelSigaction> actions;  // absent: SIG_DFL
  SignalSet blocked;
  std::optional<SignalSet> saved_mask;  // restored by the frame of the next handler (sigsuspend)
  std::map<int, SignalInfo> pending;
  KernelStack alternate;
  SignalInfo::Trap last_trap;  // thread.trap_nr, error_code, cr2

  [[nodiscard]] KernelSigaction action(int signo) const;
  // The signal to deliver next, synchronous ones first (dequeue_signal); 0: none.
  [[nodiscard]] int next_pending() const;
  [[nodiscard]] SignalSet pending_set() const;
};

// struct rseq registration.
struct RseqState {
  std::uint64_t address = 0;  // 0: none
  std::uint32_t size = 0, signature = 0;
};

struct TaskConfig {
  int pid = 1000, ppid = 1;
  std::uint32_t uid = 0, euid = 0, gid = 0, egid = 0;
  std::string program_path;        // what /proc/self/exe is
  std::uint64_t load_bias = 0;     // load address minus link address, for symbols
  std::uint64_t memory_bytes = 0;  // what sysinfo calls RAM
  bool inherit_stdio = true;       // guest 0, 1, 2 are the host process's
};

// Kept over the restarts of one system call.
struct WaitState {
  std::optional<std::uint64_t> deadline_ns;  // CLOCK_MONOTONIC
  std::uint64_t progress = 0;                // bytes moved so far
};

struct SyscallStatistics {
  std::map<std::uint64_t, std::uint64_t> counts;    // by number, served or not
  std::map<std::uint64_t, std::uint64_t> unserved;  // by number
  std::uint64_t total = 0;
};

class Task {
 public:
  // `vcpu` outlives the task.
  Task(TaskConfig config, std::shared_ptr<mmu::AddressSpace> mm, Vcpu& vcpu, FileSystem file_system);
  ~Task();
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  // --- for the run loop ---
  // Serves the system call in the registers: writes rax, or arranges a restart. After
  // SyscallEvent.
  void on_syscall();
  // Turns a fault that was not resolved into its signal. After handle_page_fault().
  void on_page_fault(const PageFaultEvent& event, const mmu::FaultOutcome& outcome);
  // A call into the vsyscall page (FaultResult::kVsyscall): emulated, or SIGSEGV.
  void on_vsyscall(const PageFaultEvent& event);
  // #GP, #UD, #DE ... as exc_* of arch/x86/kernel/traps.c do.
  void on_exception(const ExceptionEvent& event);
  // Linux force_sig_info: a signal that is blocked or ignored kills.
  void force_signal(const SignalInfo& signal);
  // send_signal to this task: ignored ones vanish, the rest wait for deliver_signals().
  void queue_signal(const SignalInfo& signal);
  // Before every resume: builds the frame of each pending signal's handler, or ends the task.
  void deliver_signals();
  // Ends the task; what was mapped shared is written back.
  void terminate(ExitStatus status);
  [[nodiscard]] const std::optional<ExitStatus>& exit_status() const { return exit_; }

  // The signal for an unresolved fault or exception, without delivering it (for the report).
  [[nodiscard]] static SignalInfo signal_for(const PageFaultEvent& event, const mmu::FaultOutcome& outcome);
  [[nodiscard]] SignalInfo signal_for(const ExceptionEvent& event);

  [[nodiscard]] const SyscallStatistics& statistics() const { return statistics_; }
  void set_syscall_hook(SyscallHook hook) { hook_ = std::move(hook); }
  // The call being served or last served; for reports.
  [[nodiscard]] const SyscallArgs& current_syscall() const { return current_; }

  // --- for the system call handlers ---
  [[nodiscard]] mmu::AddressSpace& mm() const { return *mm_; }
  [[nodiscard]] const std::shared_ptr<mmu::AddressSpace>& shared_mm() const { return mm_; }
  [[nodiscard]] Vcpu& vcpu() const { return vcpu_; }
  [[nodiscard]] const TaskConfig& config() const { return config_; }
  [[nodiscard]] FileSystem& file_system() { return file_system_; }
  [[nodiscard]] FileTable& files() { return files_; }
  [[nodiscard]] FileCoherence& coherence() { return coherence_; }
  [[nodiscard]] SignalState& signals() { return signals_; }
  [[nodiscard]] const SignalState& signals() const { return signals_; }
  // A signal is pending that deliver_signals() would act on: waits return kRestart*.
  [[nodiscard]] bool signal_pending() const { return signals_.next_pending() != 0; }
  // What a system call that is being restarted had got to; fresh for every other.
  [[nodiscard]] WaitState& wait_state() { return wait_; }

  std::uint64_t clear_child_tid = 0, robust_list = 0;  // set_tid_address, set_robust_list
  RseqState rseq;
  // RLIMIT_* of the process; those that the memory side knows are kept equal in mm().limits.
  std::array<rlimit, RLIM_NLIMITS> limits{};
  std::string name;  // prctl(PR_SET_NAME), at most 15 bytes
  int oom_score_adj = 0;

 private:
  void init_limits();
  void finish_syscall(const SyscallValue& value, bool served);
  void resolve_restart(const KernelSigaction* handler);
  bool handle_signal(int signo, const SignalInfo& signal, const KernelSigaction& action);
  void default_action(int signo);

  TaskConfig config_;
  std::shared_ptr<mmu::AddressSpace> mm_;
  Vcpu& vcpu_;
  FileSystem file_system_;
  FileTable files_;
  FileCoherence coherence_;
  SignalState signals_;
  std::optional<ExitStatus> exit_;
  SyscallStatistics statistics_;
  SyscallHook hook_;
  SyscallArgs current_;
  int restart_ = 0;          // kRestart* of the call just made, until resolved
  bool restarting_ = false;  // the next system call continues one that was counted already
  WaitState wait_;
};

}  // namespace faultline::vmm::linux_abi

// One guest process with one thread: what the kernel's task_struct, signal_struct and
// files_struct hold of it.
//
// Driven by the thread that runs the vCPU; the caller holds the address space's lock
// exclusively around each call (docs/architecture.md, "Locks"). The processes of a guest take
// turns on one vCPU: what speaks of registers needs the task to be the loaded one.
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
#include "vmm/linux_abi/cpu_context.hpp"
#include "vmm/linux_abi/file_coherence.hpp"
#include "vmm/linux_abi/file_system.hpp"
#include "vmm/linux_abi/file_table.hpp"
#include "vmm/linux_abi/kinship.hpp"
#include "vmm/linux_abi/signal_types.hpp"
#include "vmm/linux_abi/syscall.hpp"
#include "vmm/linux_abi/wait_state.hpp"
#include "vmm/port/vcpu.hpp"

namespace faultline::vmm::linux_abi {

class ProcessTable;
struct ProgramImage;

struct SignalState {
  std::map<int, KernelSigaction> actions;  // absent: SIG_DFL
  SignalSet blocked;
  std::optional<SignalSet> saved_mask;  // restored by the frame of the next handler (sigsuspend)
  std::map<int, SignalInfo> pending;
  KernelStack alternate;
  SignalInfo::Trap last_trap;  // thread.trap_nr, error_code, cr2

  [[nodiscard]] KernelSigaction action(int signo) const;
  [[nodiscard]] bool ignores(int signo) const;  // by action, or by default
  // The signal to deliver next, synchronous ones first (dequeue_signal); 0: none.
  [[nodiscard]] int next_pending() const;
  [[nodiscard]] SignalSet pending_set() const;
  // Linux flush_signal_handlers: what execve does to actions. Ignored ones stay ignored.
  void reset_handlers();
};

// struct rseq registration.
struct RseqState {
  std::uint64_t address = 0;  // 0: none
  std::uint32_t size = 0, signature = 0;
};

struct TaskConfig {
  int pid = 1000, ppid = 1;  // ppid: of a process whose parent is not in the guest
  std::uint32_t uid = 0, euid = 0, gid = 0, egid = 0;
  std::string program_path;                       // what /proc/self/exe is
  std::shared_ptr<const FileDescriptor> program;  // the same, open for reading
  std::uint64_t load_bias = 0;                    // load address minus link address, for symbols
  std::uint64_t memory_bytes = 0;                 // what sysinfo calls RAM
  std::uint64_t hwcap = 0, hwcap2 = 0;            // ExecRequest's, for the programs that it executes
  bool inherit_stdio = true;                      // guest 0, 1, 2 are the host process's
};

// ITIMER_REAL.
struct RealTimer {
  std::uint64_t due_ns = 0;  // CLOCK_MONOTONIC; 0: not set
  std::uint64_t interval_ns = 0;
};

struct SyscallStatistics {
  std::map<std::uint64_t, std::uint64_t> counts;    // by number, served or not
  std::map<std::uint64_t, std::uint64_t> unserved;  // by number
  std::uint64_t total = 0;
};

// clone(2): flags without the signal, and what goes with them.
struct CloneRequest {
  std::uint64_t flags = 0;
  int exit_signal = 0;
  std::uint64_t stack = 0;  // 0: the caller's
  std::uint64_t tls = 0;
  Gva parent_tid{}, child_tid{};
};

class Task {
 public:
  // `vcpu` and `processes` outlive the task.
  Task(TaskConfig config, std::shared_ptr<mmu::AddressSpace> mm, Vcpu& vcpu, FileSystem file_system,
       ProcessTable& processes);
  ~Task();
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  // --- for the run loop ---
  // Serves the system call in the registers: writes rax, arranges a restart, or leaves the task
  // blocked. After SyscallEvent.
  void on_syscall();
  // The call that blocked, once more. Precondition: blocked().
  void retry_syscall();
  // Turns a fault that was not resolved into its signal. After handle_page_fault().
  void on_page_fault(const PageFaultEvent& event, const mmu::FaultOutcome& outcome);
  // A call into the vsyscall page (FaultResult::kVsyscall): emulated, or SIGSEGV.
  void on_vsyscall(const PageFaultEvent& event);
  // #GP, #UD, #DE ... as exc_* of arch/x86/kernel/traps.c do.
  void on_exception(const ExceptionEvent& event);
  // Linux force_sig_info: a signal that is blocked or ignored kills.
  void force_signal(const SignalInfo& signal);
  // send_signal to this task: ignored ones vanish, the rest wait for deliver_signals(). Ends a
  // stop or a wait where the signal does.
  void queue_signal(const SignalInfo& signal);
  // Before every resume: builds the frame of each pending signal's handler, stops or ends the
  // task. Precondition: not blocked().
  void deliver_signals();
  // Ends the task; ProcessTable::bury() does the rest.
  void terminate(ExitStatus status);
  [[nodiscard]] const std::optional<ExitStatus>& exit_status() const { return exit_; }
  // A system call waits; woken(): and it is time to look whether it still must.
  [[nodiscard]] bool blocked() const { return blocked_; }
  [[nodiscard]] bool woken() const { return woken_; }
  [[nodiscard]] bool stopped() const { return job.stopped; }
  [[nodiscard]] bool runnable() const { return !exit_ && !job.stopped && (!blocked_ || woken_); }
  // What a blocked call waits for may have come about.
  void wake() { woken_ = blocked_; }
  // The vCPU's state while another task has the vCPU.
  [[nodiscard]] CpuContext& context() { return context_; }

  // The signal for an unresolved fault or exception, without delivering it (for the report).
  [[nodiscard]] static SignalInfo signal_for(const PageFaultEvent& event, const mmu::FaultOutcome& outcome);
  [[nodiscard]] SignalInfo signal_for(const ExceptionEvent& event);

  [[nodiscard]] const SyscallStatistics& statistics() const;
  // Of this task and of those that it forks from now on.
  void set_syscall_hook(SyscallHook hook) { hook_ = std::move(hook); }
  // The same, after whoever is told already.
  void add_syscall_hook(SyscallHook hook);
  // The call being served or last served; for reports.
  [[nodiscard]] const SyscallArgs& current_syscall() const { return current_; }

  // --- for the system call handlers ---
  [[nodiscard]] int pid() const { return config_.pid; }
  [[nodiscard]] int parent_pid() const { return kin.parent != nullptr ? kin.parent->pid() : config_.ppid; }
  // Precondition of mm(), files(), file_system(): has_mm(), the task was not buried.
  [[nodiscard]] bool has_mm() const { return mm_ != nullptr; }
  [[nodiscard]] mmu::AddressSpace& mm() const { return *mm_; }
  [[nodiscard]] const std::shared_ptr<mmu::AddressSpace>& shared_mm() const { return mm_; }
  [[nodiscard]] Vcpu& vcpu() const { return vcpu_; }
  [[nodiscard]] ProcessTable& processes() const { return processes_; }
  [[nodiscard]] const TaskConfig& config() const { return config_; }
  [[nodiscard]] FileSystem& file_system() { return *file_system_; }
  [[nodiscard]] FileTable& files() { return *files_; }
  [[nodiscard]] FileCoherence& coherence() { return coherence_; }
  [[nodiscard]] SignalState& signals() { return signals_; }
  [[nodiscard]] const SignalState& signals() const { return signals_; }
  // A signal is pending that deliver_signals() would act on: waits return kRestart*.
  [[nodiscard]] bool signal_pending() const { return signals_.next_pending() != 0; }
  // What the call being served waits for, and how far it got; fresh for every call.
  [[nodiscard]] WaitState& wait_state() { return wait_; }
  [[nodiscard]] const WaitState& wait_state() const { return wait_; }
  // Linux copy_process, without what makes a process visible: ProcessTable::add does that. The
  // child's registers are the caller's, with rax 0. ENOMEM.
  SysResult<std::unique_ptr<Task>> clone(const CloneRequest& request, int pid);
  // Tells the hook of the current call now, and not when the handler returns.
  void report_syscall(std::int64_t result);
  // A vfork child gives the memory back, or ends: its faults in it were not its parent's.
  void settle_vfork_faults();
  // execve's point of no return (Linux begin_new_exec): the old address space is gone, the vCPU
  // stands at the entry. Error: the host failed.
  Result<void> become(ProgramImage image);
  // What exit frees: descriptors, folders, and unless `keep_memory` the address space.
  void release(bool keep_memory);
  [[nodiscard]] bool executes(mmu::FileId file) const;
  // What getrusage(RUSAGE_SELF) tells; after release() what it told last.
  [[nodiscard]] ResourceUse resource_use() const;
  // Memory limits of `limits` to the address space, which a vfork child may have changed.
  void apply_memory_limits();

  std::uint64_t clear_child_tid = 0, robust_list = 0;  // set_tid_address, set_robust_list
  RseqState rseq;
  // RLIMIT_* of the process; those that the memory side knows are kept equal in mm().limits.
  std::array<rlimit, RLIM_NLIMITS> limits{};
  std::string name;  // prctl(PR_SET_NAME), at most 15 bytes
  Kinship kin;
  JobState job;
  RealTimer real_timer;
  std::uint64_t user_ns = 0, system_ns = 0;  // processor time, counted by the run loop
  ResourceUse children_use;                  // of those that were waited for
  int oom_score_adj = 0;

 private:
  Task(TaskConfig config, Task& parent);
  void init_limits();
  void serve();
  void finish_syscall(const SyscallValue& value, bool served);
  void resolve_restart(const KernelSigaction* handler);
  bool handle_signal(int signo, const SignalInfo& signal, const KernelSigaction& action);
  void default_action(int signo);

  TaskConfig config_;
  std::shared_ptr<mmu::AddressSpace> mm_;
  Vcpu& vcpu_;
  ProcessTable& processes_;
  std::shared_ptr<FileSystem> file_system_;
  std::shared_ptr<FileTable> files_;
  FileCoherence coherence_;
  SignalState signals_;
  CpuContext context_;
  std::optional<ExitStatus> exit_;
  SyscallHook hook_;
  SyscallArgs current_;
  int restart_ = 0;          // kRestart* of the call just made, until resolved
  bool restarting_ = false;  // the next system call continues one that was counted already
  bool reported_ = false;    // the hook knows of the call being served
  bool blocked_ = false, woken_ = false;
  WaitState wait_;
  // Faults before this address space, or (modulo 2^64) minus those of its other user before us.
  std::uint64_t minor_before_ = 0, major_before_ = 0;
  ResourceUse last_use_;
};

}  // namespace faultline::vmm::linux_abi

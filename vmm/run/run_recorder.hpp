// Records a run (vmm/recording): stands between the fault path, the page tables, the system calls
// and the run loop on one side and the writer on the other. Nothing is decoded here.
//
// Order in the file: what happened in the kernel for an exit follows the exit; of one operation
// first processes, then VMAs, then table entries, then the system call itself. A fault comes when
// it is complete, but always before anything that happened after it.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "mmu/ports/edit_observer.hpp"
#include "mmu/ports/fault_observer.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/recording/writer.hpp"
#include "vmm/run/fault_recorder.hpp"
#include "vmm/run/vma_tracker.hpp"

namespace faultline::vmm {

struct RecordOptions {
  std::string path;
  std::string faultline_version, linux_behaviour;  // for RunInfo
  std::vector<std::string> command;
  bool registers = false;        // with every exit
  std::uint64_t ring_bytes = 0;  // 0: all is kept
  std::function<void(const Error&)> on_error;
};

class RunRecorder final : public mmu::FaultObserver, public mmu::EditObserver {
 public:
  // All outlive the recorder. Error: the file cannot be opened.
  static Result<std::unique_ptr<RunRecorder>> create(const RecordOptions& options, Vcpu& vcpu,
                                                     const mmu::FrameAllocator& frames, mmu::PagingMode mode);
  // The same recorder's faults, which also serve a fault log.
  void set_faults(FaultRecorder& faults) { faults_ = &faults; }
  // What FaultRecorder hands on.
  void record(const FaultRecorder::RawFault& fault);

  // --- for the session ---
  // The first process is there, nothing of it ran.
  void started(linux_abi::ProcessTable& processes);
  // Nothing is recorded after it.
  void ended(const std::string& reason, int status);
  // Whether all was written, as Writer::close().
  Result<void> close() { return writer_->close(); }
  [[nodiscard]] const recording::Writer& writer() const { return *writer_; }

  // --- for the run loop ---
  void left_guest(const VcpuEvent& event);
  void switched_to(linux_abi::Task& task);
  void syscall_begins(const linux_abi::Task& task);
  // It was served, blocks, or ended the process.
  void syscall_left(linux_abi::Task& task);
  // ProcessTable::bury() was done.
  void process_ended(std::uint32_t pid, int shell_status);

  mmu::EditLog* began(const mmu::AddressSpace& mm, const mmu::FaultRequest& request) override;
  void decided() override;
  void ended(const mmu::AddressSpace& mm, const mmu::FaultRequest& request, const mmu::FaultOutcome& outcome) override;
  void edited(Gfn root, const mmu::PteEdit& edit) override;

 private:
  struct Process {
    Gpa root;
    std::uint32_t parent = 0;
    std::string program;
    std::uint64_t syscall_began_ns = 0;
    bool blocked = false;
    recording::Counters counters;  // as written last
    std::uint64_t faults = 0, syscalls = 0;
    std::optional<int> status;
  };

  RunRecorder(Vcpu& vcpu, const mmu::FrameAllocator& frames, bool registers)
      : vcpu_(vcpu), frames_(frames), registers_(registers) {}
  static std::uint32_t number_of(const linux_abi::Task& task) { return static_cast<std::uint32_t>(task.pid()); }
  [[nodiscard]] std::uint64_t since_start(std::uint64_t monotonic_ns) const;
  [[nodiscard]] std::uint64_t now() const;
  void write(std::uint32_t process, std::uint64_t time_ns, const recording::Body& body);
  void settle(linux_abi::Task& task, std::string_view operation);
  void note_processes(linux_abi::Task& task);
  [[nodiscard]] bool in_use(Gpa root) const;
  // These read the clock only where there is something to write. `at_ns`: when it was, if not now.
  void note_vmas(std::uint32_t pid, const mmu::AddressSpace& mm, std::string_view operation,
                 std::optional<std::uint64_t> at_ns = {});
  void flush_edits(std::optional<std::uint64_t> at_ns = {});
  void write_vma_change(std::uint32_t pid, std::uint64_t time_ns, const recording::VmaChange& change);
  void note_counters(const linux_abi::Task& task, bool always);
  void on_syscall(linux_abi::Task& task, const linux_abi::SyscallRecord& call);
  void on_signal(const linux_abi::Task& task, const linux_abi::SignalInfo& signal, linux_abi::SignalOutcome outcome);
  void write_keyframe();

  Vcpu& vcpu_;
  const mmu::FrameAllocator& frames_;
  const bool registers_;
  std::unique_ptr<recording::Writer> writer_;
  FaultRecorder* faults_ = nullptr;
  linux_abi::ProcessTable* process_table_ = nullptr;
  std::uint64_t base_ns_ = 0;
  bool active_ = false;
  std::uint32_t current_ = 0;
  std::map<std::uint32_t, Process> processes_;  // those that ended too
  std::uint64_t known_started_ = 0;             // ProcessTable::started() as far as it is recorded
  VmaTracker vmas_;

  std::optional<Gfn> fault_root_;                   // a fault in this address space is being handled
  std::vector<mmu::PteEdit> fault_edits_;           // of the fault being handled, or pending
  std::map<Gfn, std::vector<mmu::PteEdit>> edits_;  // outside faults, by root, not written yet
  std::size_t edit_count_ = 0;
  std::uint64_t counters_ns_ = 0;  // when they were looked at last
};

}  // namespace faultline::vmm

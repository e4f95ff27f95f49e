// One guest, put together: machine, memory, page cache, vCPU and the processes that run on it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "mmu/backing/file_mapping.hpp"
#include "mmu/space/address_space.hpp"
#include "vmm/linux_abi/exec.hpp"
#include "vmm/port/machine.hpp"
#include "vmm/run/fault_recorder.hpp"
#include "vmm/run/runner.hpp"

namespace faultline::vmm {

struct SessionConfig {
  MachineConfig machine;
  linux_abi::ExecRequest exec;
  RunLimits limits;
  std::size_t max_processes = linux_abi::ProcessTable::kDefaultMax;
  LinuxBehaviour behaviour;  // which Linux the guest meets
  // Overcommit::kNever: what may be promised, and what is already, in pages.
  std::optional<mmu::CommitAccount> commit;
  FaultRecorder::Consumer on_fault;     // empty: nobody is told of faults
  std::optional<RecordOptions> record;  // the run goes to a file
};

class Session {
 public:
  // Everything up to the first instruction of the program. An input that cannot be used and a
  // host that lacks something both come back as one line and the exit status to use.
  static linux_abi::LoadResult<std::unique_ptr<Session>> create(SessionConfig config);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Runs the program, and the processes that it starts, to the end of the last.
  Result<RunEnd> run() { return finish_run(runner_->run()); }

  [[nodiscard]] Runner& runner() { return *runner_; }
  // The first process, also after its end.
  [[nodiscard]] linux_abi::Task& task() { return processes_->first(); }
  [[nodiscard]] mmu::AddressSpace& mm() { return task().mm(); }
  [[nodiscard]] linux_abi::ProcessTable& processes() { return *processes_; }
  [[nodiscard]] Vcpu& vcpu() { return *vcpu_; }
  // Null: faults are not recorded.
  [[nodiscard]] const FaultRecorder* recorder() const { return recorder_.get(); }
  [[nodiscard]] Machine& machine() { return *machine_; }
  [[nodiscard]] const SessionConfig& config() const { return config_; }
  // Null without SessionConfig::record.
  [[nodiscard]] RunRecorder* recording() { return recording_.get(); }

 private:
  explicit Session(SessionConfig config) : config_(std::move(config)) {}
  linux_abi::LoadResult<void> start();
  linux_abi::LoadResult<void> open_recording();
  Result<void> observe_faults();
  Result<RunEnd> finish_run(Result<RunEnd> end);

  // In the order in which they need each other; destroyed in reverse.
  SessionConfig config_;
  std::unique_ptr<Machine> machine_;
  std::optional<mmu::PageCache> cache_;
  std::optional<mmu::MmuEnv> env_;
  std::unique_ptr<Vcpu> vcpu_;
  std::unique_ptr<RunRecorder> recording_;
  std::unique_ptr<FaultRecorder> recorder_;
  std::optional<linux_abi::ProcessTable> processes_;
  std::optional<Runner> runner_;
};

}  // namespace faultline::vmm

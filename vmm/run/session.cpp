#include "vmm/run/session.hpp"

#include <fmt/format.h>

#include "mmu/space/checker.hpp"
#include "vmm/run/backend.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::vmm {

namespace {
tl::unexpected<linux_abi::LoadError> harness_failed(std::string message) {
  return tl::unexpected(linux_abi::LoadError{kExitHarness, std::move(message)});
}
}  // namespace

linux_abi::LoadResult<std::unique_ptr<Session>> Session::create(SessionConfig config) {
  std::unique_ptr<Session> session(new Session(std::move(config)));
  if (auto started = session->start(); !started) return tl::unexpected(started.error());
  return session;
}

linux_abi::LoadResult<void> Session::start() {
  auto machine = create_machine(config_.machine);
  if (!machine) return harness_failed(machine.error().message);
  machine_ = std::move(*machine);

  mmu::FrameAllocator& frames = machine_->frames();
  const auto zero_frame = frames.allocate(mmu::FrameKind::kZero, mmu::Zeroing::kNeeded);
  if (!zero_frame) return harness_failed("guest memory is too small for a single page: raise --memory");
  cache_.emplace(frames);
  env_.emplace(mmu::MmuEnv{.frames = frames,
                           .cache = *cache_,
                           .sink = machine_->sink(),
                           .zero_frame = *zero_frame,
                           .kernel_half = machine_->kernel_half(),
                           .mode = machine_->mode(),
                           .behaviour = config_.behaviour,
                           .user_half = machine_->user_half(),
                           .commit = config_.commit ? &*config_.commit : nullptr});

  auto vcpu = machine_->create_vcpu();
  if (!vcpu) return harness_failed(vcpu.error().message);
  vcpu_ = std::move(*vcpu);

  if (auto opened = open_recording(); !opened) return opened;
  processes_.emplace(config_.max_processes);
  const auto task = linux_abi::exec_program(config_.exec, *env_, *vcpu_, *processes_);
  if (!task) return tl::unexpected(task.error());

  if (auto observed = observe_faults(); !observed) return harness_failed(observed.error().message);
  runner_.emplace(*vcpu_, *processes_, config_.limits, recorder_.get());
  if (recording_) runner_->set_recording(*recording_);
  return {};
}

// Before the first page table, so that it sees every edit.
linux_abi::LoadResult<void> Session::open_recording() {
  if (!config_.record) return {};
  auto recording = RunRecorder::create(*config_.record, *vcpu_, machine_->frames(), machine_->mode());
  if (!recording) return tl::unexpected(linux_abi::LoadError{kExitUsage, recording.error().message});
  recording_ = std::move(*recording);
  env_->edits = recording_.get();
  return {};
}

Result<void> Session::observe_faults() {
  if (!config_.on_fault && !recording_) return {};
  FaultRecorder::RawConsumer raw;
  if (recording_) raw = [this](const FaultRecorder::RawFault& fault) { recording_->record(fault); };
  auto recorder = FaultRecorder::create(*vcpu_, config_.on_fault, std::move(raw));
  if (!recorder) return tl::unexpected(recorder.error());
  recorder_ = std::move(*recorder);
  mm().observer = recorder_.get();
  if (!recording_) return {};
  recording_->set_faults(*recorder_);
  mm().observer = recording_.get();
  recording_->started(*processes_);
  return {};
}

namespace {
struct EndText {
  std::string reason;
  int status = 0;
};
EndText describe(const TaskExited& e) {
  if (e.status.signal == 0) return {"exited", e.status.code};
  return {fmt::format("killed by signal {}", e.status.signal), e.status.shell_status()};
}
EndText describe(const LimitReached& e) { return {"stopped by a limit: " + e.detail, kExitLimit}; }
EndText describe(const VcpuDied& e) { return {"the vCPU died: " + e.event.summary, kExitVcpuDied}; }
}  // namespace

Result<RunEnd> Session::finish_run(Result<RunEnd> end) {
  if (recorder_) recorder_->finish();
  // Where a limit ended it; an error has nobody left to go to.
  static_cast<void>(processes_->first().coherence().write_back_all());
  if (recording_) {
    const EndText text = end ? std::visit([](const auto& e) { return describe(e); }, *end)
                             : EndText{"the harness failed: " + end.error().message, kExitHarness};
    recording_->ended(text.reason, text.status);
  }
#ifndef NDEBUG
  if (const auto broken = mmu::check_invariants(*env_, processes_->address_spaces()))
    return fail("invariant broken after the run: " + *broken);
#endif
  return end;
}

// No fault is told of from here on.
Session::~Session() {
  if (!processes_) return;
  for (const auto& [pid, task] : processes_->all())
    if (task->has_mm()) task->mm().observer = nullptr;
  if (processes_->has_first() && task().has_mm()) mm().observer = nullptr;
}

}  // namespace faultline::vmm

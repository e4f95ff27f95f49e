#include "vmm/run/run_recorder.hpp"

#include <cpuid.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "vmm/host/clock.hpp"
#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm {

using recording::Counters;
using recording::Exit;
using recording::ExitReason;

namespace {

constexpr std::uint64_t kCountersEveryNs = 5'000'000;
constexpr std::size_t kMaxPendingEdits = 64 << 10;

std::string cpu_model() {
  std::array<unsigned, 12> words{};
  for (unsigned leaf = 0; leaf < 3; ++leaf)
    if (__get_cpuid(0x80000002 + leaf, &words[4 * leaf], &words[4 * leaf + 1], &words[4 * leaf + 2],
                    &words[4 * leaf + 3]) == 0)
      return "";
  const char* text = reinterpret_cast<const char*>(words.data());
  std::string model(text, ::strnlen(text, sizeof words));
  model.erase(0, model.find_first_not_of(' '));
  return model;
}

recording::RunInfo describe_run(const RecordOptions& options, const Vcpu& vcpu, const mmu::FrameAllocator& frames,
                                mmu::PagingMode mode) {
  recording::RunInfo info;
  info.faultline_version = options.faultline_version;
  info.linux_behaviour = options.linux_behaviour;
  info.command = options.command;
  info.backend = vcpu.capabilities().backend;
  utsname host{};
  if (::uname(&host) == 0) info.host_kernel = host.release;
  info.cpu = cpu_model();
  info.memory_bytes = frames.total_frames() * kPageSize;
  info.mode = mode;
  info.started_unix_ns =
      static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
  info.registers = options.registers;
  return info;
}

void set_event(Exit& exit, const PageFaultEvent& e) {
  exit.reason = ExitReason::kPageFault;
  exit.qualification = e.address.raw();
  exit.detail = e.error.raw();
}
void set_event(Exit& exit, const ExceptionEvent& e) {
  exit.reason = ExitReason::kException;
  exit.qualification = e.error_code;
  exit.detail = e.vector;
}
void set_event(Exit& exit, const SyscallEvent&) { exit.reason = ExitReason::kSyscall; }
void set_event(Exit& exit, const InterruptedEvent&) { exit.reason = ExitReason::kInterrupted; }
void set_event(Exit& exit, const FatalEvent&) { exit.reason = ExitReason::kFatal; }

}  // namespace

Result<std::unique_ptr<RunRecorder>> RunRecorder::create(const RecordOptions& options, Vcpu& vcpu,
                                                         const mmu::FrameAllocator& frames, mmu::PagingMode mode) {
  std::unique_ptr<RunRecorder> recorder(new RunRecorder(vcpu, frames, options.registers));
  auto writer = recording::Writer::open(options.path, describe_run(options, vcpu, frames, mode),
                                        {.ring_bytes = options.ring_bytes, .on_error = options.on_error});
  if (!writer) return tl::unexpected(writer.error());
  recorder->writer_ = std::move(*writer);
  recorder->base_ns_ = monotonic_ns();
  recorder->active_ = true;
  return recorder;
}

std::uint64_t RunRecorder::since_start(std::uint64_t monotonic_ns) const {
  return monotonic_ns > base_ns_ ? monotonic_ns - base_ns_ : 0;
}
std::uint64_t RunRecorder::now() const { return since_start(monotonic_ns()); }

// Whatever is written happened after the fault that still waits for its resume time.
void RunRecorder::write(std::uint32_t process, std::uint64_t time_ns, const recording::Body& body) {
  if (!active_) return;
  faults_->finish();
  writer_->append(time_ns, process, body);
}

void RunRecorder::record(const FaultRecorder::RawFault& fault) {
  if (!active_) return;
  ++processes_[fault.record.process].faults;
  writer_->append(since_start(fault.began_ns), fault.record.process,
                  recording::FaultParts{fault.record, since_start(fault.ended_ns), fault_edits_, fault.input});
}

void RunRecorder::started(linux_abi::ProcessTable& processes) {
  process_table_ = &processes;
  linux_abi::Task& first = processes.first();
  current_ = number_of(first);
  known_started_ = processes.started();
  Process& process = processes_[current_];
  process.root = Gpa(first.mm().tables().root());
  process.program = first.config().program_path;
  write(current_, now(),
        recording::ProcessChange{recording::ProcessEvent::kStart, 0, process.root, process.program, 0});
  note_vmas(current_, first.mm(), "exec");
  flush_edits();
  note_counters(first, true);
  first.add_syscall_hook([this](const linux_abi::Task& task, const linux_abi::SyscallRecord& call) {
    on_syscall(const_cast<linux_abi::Task&>(task), call);
  });
  processes.on_signal = [this](const linux_abi::Task& task, const linux_abi::SignalInfo& signal,
                               linux_abi::SignalOutcome outcome) { on_signal(task, signal, outcome); };
}

void RunRecorder::ended(const std::string& reason, int status) {
  if (!active_) return;
  faults_->finish();
  flush_edits();
  if (process_table_->first().has_mm()) note_counters(process_table_->first(), true);
  write(current_, now(), recording::End{reason, status});
  active_ = false;
}

void RunRecorder::left_guest(const VcpuEvent& event) {
  if (!active_) return;
  // Of signals that were delivered on the way.
  flush_edits(since_start(vcpu_.last_run().entered_ns));
  Exit exit;
  std::visit([&exit](const auto& e) { set_event(exit, e); }, event);
  const UserRegs& regs = vcpu_.regs();
  if (exit.reason == ExitReason::kSyscall) exit.qualification = regs[UserRegs::kRax];
  exit.raw = vcpu_.last_exit();
  exit.entered_ns = since_start(vcpu_.last_run().entered_ns);
  exit.left_ns = since_start(vcpu_.last_run().left_ns);
  if (exit.raw.entries == 0) exit.entered_ns = exit.left_ns = now();
  exit.rip = Gva(regs.rip);
  if (registers_) exit.regs = regs;
  write(current_, exit.left_ns, exit);
  if (exit.left_ns >= counters_ns_ + kCountersEveryNs) {
    counters_ns_ = exit.left_ns;
    if (const linux_abi::Task* task = process_table_->find(static_cast<int>(current_)); task != nullptr)
      note_counters(*task, false);
  }
  if (writer_->wants_keyframe()) write_keyframe();
}

void RunRecorder::switched_to(linux_abi::Task& task) {
  const std::uint32_t from = current_;
  current_ = number_of(task);
  if (from != current_) write(current_, now(), recording::Switch{from});
}

void RunRecorder::syscall_begins(const linux_abi::Task& task) {
  Process& process = processes_[number_of(task)];
  process.syscall_began_ns = since_start(vcpu_.last_run().left_ns);
  process.blocked = false;
}

void RunRecorder::syscall_left(linux_abi::Task& task) {
  processes_[number_of(task)].blocked |= task.blocked();
  settle(task, linux_abi::syscall_name(task.current_syscall().number));
}

void RunRecorder::on_syscall(linux_abi::Task& task, const linux_abi::SyscallRecord& call) {
  if (!active_) return;
  settle(task, linux_abi::syscall_name(call.args.number));
  Process& process = processes_[number_of(task)];
  ++process.syscalls;
  const std::uint64_t ended = now();
  write(number_of(task), ended,
        recording::Syscall{.number = call.args.number,
                           .arguments = call.args.raw,
                           .result = call.result,
                           .started_ns = std::min(process.syscall_began_ns, ended),
                           .ended_ns = ended,
                           .blocked = process.blocked});
}

void RunRecorder::on_signal(const linux_abi::Task& task, const linux_abi::SignalInfo& signal,
                            linux_abi::SignalOutcome outcome) {
  const int signo = signal.signo();
  const bool has_address =
      signal.trap && (signo == SIGSEGV || signo == SIGBUS || signo == SIGILL || signo == SIGFPE || signo == SIGTRAP);
  write(number_of(task), now(),
        recording::Signal{.number = signo,
                          .code = signal.info.si_code,
                          .address = has_address ? Gva(reinterpret_cast<std::uint64_t>(signal.info.si_addr)) : Gva(),
                          .action = static_cast<recording::SignalAction>(outcome)});
}

mmu::EditLog* RunRecorder::began(const mmu::AddressSpace& mm, const mmu::FaultRequest& request) {
  flush_edits();
  faults_->finish();  // while its edits are here
  fault_edits_.clear();
  fault_root_ = mm.tables().root();
  return faults_->began(mm, request);
}

void RunRecorder::decided() { faults_->decided(); }

void RunRecorder::ended(const mmu::AddressSpace& mm, const mmu::FaultRequest& request,
                        const mmu::FaultOutcome& outcome) {
  fault_root_.reset();
  // A stack that grew did so before its page was mapped. A child that is still being made is told of as a whole.
  if (in_use(Gpa(mm.tables().root()))) note_vmas(current_, mm, "stack growth", since_start(faults_->began_ns()));
  faults_->ended(mm, request, outcome);
}

void RunRecorder::edited(Gfn root, const mmu::PteEdit& edit) {
  if (!active_) return;
  if (fault_root_ == root && fault_edits_.size() < recording::kMaxEditsInEvent) {
    fault_edits_.push_back(edit);
    return;
  }
  edits_[root].push_back(edit);
  if (++edit_count_ >= kMaxPendingEdits && process_table_ != nullptr && !fault_root_) flush_edits();
}

void RunRecorder::flush_edits(std::optional<std::uint64_t> at_ns) {
  if (edit_count_ == 0 || !active_) return;
  const std::uint64_t time_ns = at_ns ? *at_ns : now();
  auto edits = std::exchange(edits_, {});
  edit_count_ = 0;
  for (const auto& [root, all] : edits)
    for (std::size_t at = 0; at < all.size(); at += recording::kMaxEditsInEvent) {
      const auto from = all.begin() + static_cast<std::ptrdiff_t>(at);
      const auto n = std::min(all.size() - at, recording::kMaxEditsInEvent);
      write(current_, time_ns, recording::TableEdits{Gpa(root), {from, from + static_cast<std::ptrdiff_t>(n)}});
    }
}

void RunRecorder::note_counters(const linux_abi::Task& task, bool always) {
  if (!task.has_mm()) return;
  const mmu::AddressSpace& mm = task.mm();
  Process& process = processes_[number_of(task)];
  const linux_abi::ResourceUse use = task.resource_use();
  const Counters counters{.rss_pages = mm.rss.total(),
                          .table_pages = mm.tables().tables(),
                          .free_frames = frames_.free_frames(),
                          .minor = use.minor,
                          .major = use.major,
                          .faults = process.faults,
                          .syscalls = process.syscalls};
  if (counters == process.counters && !always) return;
  process.counters = counters;
  write(number_of(task), now(), counters);
}

}  // namespace faultline::vmm

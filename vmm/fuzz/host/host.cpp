// The judge: the Linux underneath.
#include <signal.h>

#include <algorithm>

#include "vmm/fuzz/host/end_state.hpp"
#include "vmm/fuzz/host/files.hpp"
#include "vmm/fuzz/host/runner.hpp"
#include "vmm/fuzz/host/translate.hpp"
#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {

namespace host {

namespace {

// A program is done in a millisecond, but for msync of a disk's file: a busy one takes its time.
constexpr std::chrono::milliseconds kPatience{60'000};
constexpr std::uint64_t kPresentError = 1;

bool own(std::uint64_t address) { return address >= kImageAt && address < kOwnEnd; }

// The hardware's code for a kernel address tells whether something is mapped there; a signal does
// not (Linux sanitize_error_code), and neither do we.
SeenFault seen_fault(const Fault& fault) {
  const bool kernel = fault.address >= kTaskSize;
  return {fault.address, static_cast<std::uint32_t>(kernel ? fault.error | kPresentError : fault.error)};
}

StepResult step_result(const Operation& operation, const Shared& shared, std::size_t index) {
  const Seen& seen = shared.seen[index];
  StepResult result;
  result.end = seen.signal != 0 ? StepEnd::kSignal : StepEnd::kDone;
  result.result = seen.result;
  result.signal = static_cast<std::uint8_t>(seen.signal);
  result.code = seen.code;
  result.address = seen.address;
  // A signal that is no page fault's: what the frame has may be an earlier one's.
  result.error = seen.code == SI_KERNEL ? 0 : seen.error;
  result.minor = seen.minor;
  result.major = seen.major;
  std::copy_n(seen.bytes, 16, result.bytes.begin());
  result.byte_count = static_cast<std::uint8_t>(seen.bytes_count);
  if (row(operation.op).op_class != OpClass::kAccess) return result;
  for (std::uint32_t i = 0; i < seen.faults; ++i) {
    const Fault& fault = shared.faults[seen.first_fault + i];
    if (!own(fault.address)) result.faults.push_back(seen_fault(fault));
  }
  return result;
}

class Host final : public Judge {
 public:
  explicit Host(HostFiles files) : files_(std::move(files)) {}

  std::string_view name() const override { return "linux"; }
  JudgeKind kind() const override { return kHost; }
  Result<Trace> run(const Program& program) override;
  Result<void> start() {
    auto runner = Runner::start(files_.disk(), files_.memory());
    if (!runner) return tl::unexpected(runner.error());
    runner_ = std::move(*runner);
    return {};
  }

 private:
  Result<void> prepare();
  Result<Trace> judged(const Program& program);
  Result<void> add_processes(Trace& trace);

  HostFiles files_;
  std::unique_ptr<Runner> runner_;
  Program last_;
};

// A runner without processes, files as they are at the start.
Result<void> Host::prepare() {
  if (!runner_) {
    if (auto started = start(); !started) return started;
  }
  if (auto idle = runner_->wait_idle(); !idle) return idle;
  return files_.restore(last_);
}

Result<Trace> Host::run(const Program& program) {
  auto trace = prepare().and_then([&] { return judged(program); });
  if (!trace) runner_.reset();  // whatever it was doing
  return trace;
}

Result<Trace> Host::judged(const Program& program) {
  Shared& shared = runner_->shared();
  translate(program, shared);
  last_ = program;
  if (auto ran = runner_->run(kPatience); !ran) return tl::unexpected(ran.error());
  Trace trace;
  trace.judge = name();
  trace.fields = kOutcomeField | kSignalField | kErrorField | kBytesField | kCountsField | kVmasField | kContentField |
                 kPagesField;
  if (runner_->no_faults().empty() && !shared.faults_lost) trace.fields |= kFaultsField;
  for (std::size_t i = 0; i < shared.steps; ++i) trace.steps.push_back(step_result(program.operations[i], shared, i));
  const bool all = shared.steps == program.operations.size();
  if (!all) trace.steps.emplace_back().end = StepEnd::kNotJudged;
  if (all) {
    if (auto added = add_processes(trace); !added) return tl::unexpected(added.error());
  }
  if (auto finished = runner_->finish(); !finished) return tl::unexpected(finished.error());
  return trace;
}

Result<void> Host::add_processes(Trace& trace) {
  const Shared& shared = runner_->shared();
  for (unsigned i = 0; i < kMaxProcesses; ++i) {
    if (shared.slots[i].life != Life::kAlive) continue;
    auto process = read_areas(i, static_cast<int>(shared.slots[i].pid), files_);
    if (!process) return tl::unexpected(process.error());
    trace.processes.push_back(std::move(*process));
  }
  for (SeenProcess& process : trace.processes) {
    const auto pid = static_cast<int>(shared.slots[process.number].pid);
    if (auto read = read_content(process, pid); !read) return read;
  }
  return {};
}

}  // namespace

}  // namespace host

Result<std::unique_ptr<Judge>> make_host() {
  auto files = host::HostFiles::make();
  if (!files) return tl::unexpected(files.error());
  auto judge = std::make_unique<host::Host>(std::move(*files));
  if (auto started = judge->start(); !started) return tl::unexpected(started.error());
  return judge;
}

}  // namespace faultline::vmm::fuzz

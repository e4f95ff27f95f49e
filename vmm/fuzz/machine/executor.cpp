#include "vmm/fuzz/machine/executor.hpp"

#include <algorithm>
#include <csignal>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "mmu/arch/vector.hpp"
#include "mmu/fault/fault.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/machine/alias.hpp"
#include "vmm/linux_abi/fault_signal.hpp"

namespace faultline::vmm::fuzz {

namespace {

constexpr int kSiKernel = 0x80;

// Where an access is; of one with two places, the one that is stored to.
Gva place_of(const Operation& operation) {
  const std::size_t operand = operation.op == Op::kFetch ? 0 : operation.op == Op::kCopy ? 2 : 1;
  return address_of(unpack_address(operation.operands[operand]));
}

// An entry above the page's own that is neither a table nor empty. Linux has no answer to that, and
// mmu takes it for a bug of its own.
bool corrupt_above(const mmu::Walk& walk) {
  return walk.end == mmu::WalkEnd::kNotPresent && walk.last().level > 1 && !walk.last().entry.none();
}

}  // namespace

bool Executor::over() const {
  if (trace_.steps.empty()) return false;
  const StepEnd end = trace_.steps.back().end;
  return end == StepEnd::kKilled || end == StepEnd::kNotJudged;
}

std::span<const Operation> Executor::next_accesses() const {
  const auto rest = std::span(program_.operations).subspan(next_);
  const auto is_access = [](const Operation& o) { return row(o.op).op_class == OpClass::kAccess; };
  return rest.first(static_cast<std::size_t>(std::ranges::find_if_not(rest, is_access) - rest.begin()));
}

Result<bool> Executor::advance() {
  if (auto ended = end_accesses(); !ended) return tl::unexpected(ended.error());
  while (next_ < program_.operations.size() && !over()) {
    if (const auto accesses = next_accesses(); !accesses.empty()) {
      begin_accesses(accesses);
      return true;
    }
    if (auto done = run_other(program_.operations[next_]); !done) return tl::unexpected(done.error());
    check(next_++);
  }
  undo_flips();
  check(program_.operations.size());
  return restore_controls().map([] { return false; });
}

void Executor::begin_accesses(std::span<const Operation> accesses) {
  first_ = trace_.steps.size();
  accesses_ = accesses;
  stopped_ = false;
  next_ += accesses.size();
}

Result<void> Executor::end_accesses() {
  const std::size_t count = std::exchange(accesses_, {}).size();
  if (count == 0) return {};
  if (!stopped_ && trace_.steps.size() != first_ + count)
    return fail(fmt::format("the processor made {} accesses of {}", trace_.steps.size() - first_, count));
  check(next_ - 1);
  return {};
}

// Corruption is for accesses to meet. Whatever else mmu does it does on tables that are its own.
Result<void> Executor::run_other(const Operation& operation) {
  const OpClass op_class = row(operation.op).op_class;
  if (op_class != OpClass::kRaw && op_class != OpClass::kFailure && operation.op != Op::kSwitch) undo_flips();
  StepResult& result = trace_.steps.emplace_back();
  mmu::AddressSpace* const mm = &world_.mm();
  const bool dies = operation.op == Op::kExit;
  const mmu::FaultCounters before = mm->counters;
  Step step{world_, processor_, flips_, controls_, operation, result};
  if (auto done = handler_of(operation.op)(step); !done) return done;
  if (!dies) {
    result.minor = static_cast<std::uint32_t>(mm->counters.minor - before.minor);
    result.major = static_cast<std::uint32_t>(mm->counters.major - before.major);
  }
  if (op_class == OpClass::kCall || op_class == OpClass::kProcess)
    result.features.push_back(call_feature(operation, result));
  return {};
}

void Executor::undo_flips() {
  if (!flips_.any()) return;
  flips_.undo();
  world_.drop_translations();
}

Result<void> Executor::restore_controls() {
  const CoveredControls usual;
  for (const auto& [is, was, control] :
       {std::tuple(controls_.nxe, usual.nxe, Control::kNxe), std::tuple(controls_.wp, usual.wp, Control::kWp)}) {
    if (is != was && !processor_.flip_control(control)) return fail("a control bit can't be put back");
  }
  return {};
}

void Executor::check(std::size_t step) {
  if (flips_.any()) return;
  if (auto stale = processor_.stale()) broken(fmt::format("after step {}: {}", step, *stale));
  const bool last = trace_.broken.empty() && (checking_ == Checking::kEveryStep || step >= trace_.steps.size());
  if (!last) return;
  if (auto wrong = world_.check()) broken(fmt::format("after step {}: {}", step, *wrong));
}

AfterFault Executor::signalled(StepResult& step, int signal, int code, std::uint64_t address, std::uint32_t error) {
  step.end = StepEnd::kSignal;
  step.signal = static_cast<std::uint8_t>(signal);
  step.code = code;
  step.address = address;
  step.error = error;
  return AfterFault::kNext;
}

// A call of the vsyscall page goes on wherever the stack says: nobody can tell. Anything else there is
// refused, without an address and an error code of its own.
AfterFault Executor::vsyscall(StepResult& step, Gva address) {
  if ((address.raw() & 0x3ff) != 0 || address.page_offset() >= 0xc00) return signalled(step, SIGSEGV, kSiKernel, 0, 0);
  step.end = StepEnd::kNotJudged;
  stopped_ = true;
  return AfterFault::kStop;
}

AfterFault Executor::killed(StepResult& step) {
  step.end = StepEnd::kKilled;
  stopped_ = true;
  return AfterFault::kStop;
}

// Whether `index` is a string copy, as far as it was made, of which nobody can tell what it left.
bool Executor::untold(std::size_t index) {
  if (accesses_[index].op != Op::kCopy || !copies_through_alias(world_.mm().tables(), accesses_[index])) return false;
  undefined(index);
  return true;
}

AfterFault Executor::page_fault(std::size_t index, Gva address, mmu::ErrorCode error) {
  if (stopped_) return AfterFault::kStop;
  trace_.steps.resize(std::max(trace_.steps.size(), first_ + index + 1));
  StepResult& step = trace_.steps[first_ + index];
  mmu::AddressSpace& mm = world_.mm();
  const Operation& access = accesses_[index];
  const mmu::Walk walk = mm.tables().walk(address);
  if (flips_.any() && corrupt_above(walk)) {
    step.faults.push_back({address.raw(), error.raw()});
    return killed(step);
  }
  const mmu::FaultCounters before = mm.counters;
  const mmu::FaultOutcome outcome =
      mmu::handle_page_fault(mm, {.address = address, .error = error, .ip = place_of(access)});
  if (!processor_.owns(address)) {
    // As signals tell it: not whether something is mapped at an address of the kernel's.
    step.faults.push_back({address.raw(), outcome.reported_error.raw()});
    step.minor += static_cast<std::uint32_t>(mm.counters.minor - before.minor);
    step.major += static_cast<std::uint32_t>(mm.counters.major - before.major);
    step.features.push_back(feature(touch_of(access.op), walk, controls_, &outcome));
  }
  const bool endless = step.faults.size() > kMaxFaults;
  if (endless && !flips_.any()) broken(fmt::format("step {}: the access faults for ever", first_ + index));
  const linux_abi::FaultSignal signal = linux_abi::fault_signal(outcome.result);
  if (endless || signal.number == SIGKILL) return killed(step);
  if (outcome.resolved() || outcome.result == mmu::FaultResult::kInterrupted) return AfterFault::kAgain;
  if (outcome.result == mmu::FaultResult::kVsyscall) return vsyscall(step, address);
  if (untold(index)) return AfterFault::kStop;
  return signalled(step, signal.number, signal.code, address.raw(), outcome.reported_error.raw());
}

AfterFault Executor::exception(std::size_t index, unsigned vector, std::uint32_t error) {
  if (stopped_ || untold(index)) return AfterFault::kStop;
  trace_.steps.resize(std::max(trace_.steps.size(), first_ + index + 1));
  StepResult& step = trace_.steps[first_ + index];
  const mmu::Walk walk = world_.mm().tables().walk(place_of(accesses_[index]));
  step.features.push_back(exception_feature(touch_of(accesses_[index].op), walk, controls_));
  return signalled(step, vector == mmu::vector::kStackFault ? SIGBUS : SIGSEGV, kSiKernel, 0, error);
}

void Executor::made(std::size_t index, std::span<const std::uint8_t> loaded) {
  if (stopped_ || untold(index)) return;
  trace_.steps.resize(std::max(trace_.steps.size(), first_ + index + 1));
  StepResult& step = trace_.steps[first_ + index];
  FL_CHECK(loaded.size() <= step.bytes.size());
  std::ranges::copy(loaded, step.bytes.begin());
  step.byte_count = static_cast<std::uint8_t>(loaded.size());
  const mmu::Walk walk = world_.mm().tables().walk(place_of(accesses_[index]));
  step.features.push_back(feature(touch_of(accesses_[index].op), walk, controls_, nullptr));
}

void Executor::undefined(std::size_t index) {
  trace_.steps.resize(std::max(trace_.steps.size(), first_ + index + 1));
  trace_.steps[first_ + index].end = StepEnd::kNotJudged;
  stopped_ = true;
}

}  // namespace faultline::vmm::fuzz

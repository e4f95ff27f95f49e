#include "vmm/fuzz/machine/machine_judge.hpp"

#include "vmm/fuzz/machine/end_state.hpp"

namespace faultline::vmm::fuzz {

Result<Trace> MachineJudge::run(const Program& program) {
  begin(program);
  while (advance()) make_due();
  return finish();
}

void MachineJudge::begin(const Program& program) {
  program_ = &program;
  trace_ = Trace{};
  trace_.judge = name_;
  trace_.fields = fields_;
  done_ = world_.begin(processor_);
  executor_.emplace(world_, processor_, checking_, program, trace_);
}

bool MachineJudge::advance() {
  if (!done_) return false;
  auto more = executor_->advance();
  if (!more) fail_with(std::move(more.error()));
  return more && *more;
}

void MachineJudge::make_due() {
  if (auto ran = processor_.run(executor_->mm(), executor_->due(), *executor_); !ran) fail_with(std::move(ran.error()));
}

Result<Trace> MachineJudge::finish() {
  const bool alive = trace_.steps.empty() || trace_.steps.back().end != StepEnd::kKilled;
  if (done_ && trace_.complete(*program_) && alive) trace_.processes = end_state(world_, processor_);
  for (std::string& what : world_.end(processor_)) trace_.broken.push_back(std::move(what));
  trace_.guest = processor_.take_cost();
  if (!done_) return fail(name_ + ": " + done_.error().message);
  return std::move(trace_);
}

}  // namespace faultline::vmm::fuzz

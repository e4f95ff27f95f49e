#include "vmm/fuzz/machine/machine_judge.hpp"

#include "vmm/fuzz/machine/end_state.hpp"

namespace faultline::vmm::fuzz {

Result<void> MachineJudge::run_in_world(const Program& program, Trace& trace) {
  Executor executor(world_, processor_, checking_, trace);
  if (auto ran = executor.run(program); !ran) return ran;
  const bool alive = trace.steps.empty() || trace.steps.back().end != StepEnd::kKilled;
  if (trace.complete(program) && alive) trace.processes = end_state(world_, processor_);
  return {};
}

Result<Trace> MachineJudge::run(const Program& program) {
  Trace trace;
  trace.judge = name_;
  trace.fields = fields_;
  Result<void> done = world_.begin(processor_);
  if (done) done = run_in_world(program, trace);
  for (std::string& what : world_.end(processor_)) trace.broken.push_back(std::move(what));
  trace.guest = processor_.take_cost();
  if (!done) return fail(name_ + ": " + done.error().message);
  return trace;
}

}  // namespace faultline::vmm::fuzz

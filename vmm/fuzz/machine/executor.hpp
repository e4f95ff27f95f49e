// Runs one program on mmu: calls by their handlers, faults of accesses by mmu's fault path. Accesses
// are handed out in batches, for whoever has a processor: the program goes on when they are made.
#pragma once

#include "vmm/fuzz/machine/handlers.hpp"

namespace faultline::vmm::fuzz {

enum class Checking : std::uint8_t {
  kAtEnd,      // mmu's invariants once, when the program is over
  kEveryStep,  // after every operation
};

class Executor final : public AccessSink {
 public:
  // More faults than any access can need: the processor faults for ever.
  static constexpr unsigned kMaxFaults = 24;

  // All outlive it. It fills the trace's steps and what is broken. Precondition: world.begin().
  Executor(World& world, Processor& processor, Checking checking, const Program& program, Trace& trace)
      : world_(world), processor_(processor), checking_(checking), program_(program), trace_(trace) {
    trace.steps.reserve(program.operations.size());
  }

  // Works operations until accesses are due: true; those of the last time were made, or stopped.
  // False: the program is over, and nothing is flipped any more; not to be called again. Error: the
  // host failed.
  Result<bool> advance();
  // What is due: to be made in mm(), one after the other, and told to this.
  [[nodiscard]] std::span<const Operation> due() const { return accesses_; }
  [[nodiscard]] mmu::AddressSpace& mm() const { return world_.mm(); }

  AfterFault page_fault(std::size_t index, Gva address, mmu::ErrorCode error) override;
  AfterFault exception(std::size_t index, unsigned vector, std::uint32_t error) override;
  void made(std::size_t index, std::span<const std::uint8_t> loaded) override;
  void undefined(std::size_t index) override;

 private:
  [[nodiscard]] std::span<const Operation> next_accesses() const;
  void begin_accesses(std::span<const Operation> accesses);
  Result<void> end_accesses();
  Result<void> run_other(const Operation& operation);
  [[nodiscard]] bool over() const;
  void undo_flips();
  Result<void> restore_controls();
  void check(std::size_t step);
  void broken(std::string what) { trace_.broken.push_back(std::move(what)); }
  bool untold(std::size_t index);
  AfterFault vsyscall(StepResult& step, Gva address);
  AfterFault killed(StepResult& step);
  AfterFault signalled(StepResult& step, int signal, int code, std::uint64_t address, std::uint32_t error);

  World& world_;
  Processor& processor_;
  Checking checking_;
  const Program& program_;
  Trace& trace_;
  std::size_t next_ = 0;  // operation
  Flips flips_;
  CoveredControls controls_;
  // Of the batch under way; empty: there is none.
  std::span<const Operation> accesses_;
  std::size_t first_ = 0;
  bool stopped_ = false;
};

}  // namespace faultline::vmm::fuzz

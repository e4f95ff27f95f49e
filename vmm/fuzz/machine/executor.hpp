// Runs one program on mmu: calls by their handlers, accesses by a processor in batches, its faults
// by mmu's fault path.
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

  Executor(World& world, Processor& processor, Checking checking, Trace& trace)
      : world_(world), processor_(processor), checking_(checking), trace_(trace) {}

  // Fills the trace's steps and what is broken. Error: the host failed. Afterwards nothing is
  // flipped any more. Precondition: world.begin().
  Result<void> run(const Program& program);

  AfterFault page_fault(std::size_t index, Gva address, mmu::ErrorCode error) override;
  AfterFault exception(std::size_t index, unsigned vector, std::uint32_t error) override;
  void made(std::size_t index, std::span<const std::uint8_t> loaded) override;
  void undefined(std::size_t index) override;

 private:
  Result<void> run_accesses(std::span<const Operation> accesses);
  Result<void> run_other(const Operation& operation);
  [[nodiscard]] bool over() const;
  void undo_flips();
  Result<void> restore_controls();
  void check(std::size_t step);
  void broken(std::string what) { trace_.broken.push_back(std::move(what)); }
  AfterFault vsyscall(StepResult& step, Gva address);
  AfterFault killed(StepResult& step);
  AfterFault signalled(StepResult& step, int signal, int code, std::uint64_t address, std::uint32_t error);

  World& world_;
  Processor& processor_;
  Checking checking_;
  Trace& trace_;
  Flips flips_;
  CoveredControls controls_;
  // Of the batch under way.
  std::span<const Operation> accesses_;
  std::size_t first_ = 0;
  bool stopped_ = false;
};

}  // namespace faultline::vmm::fuzz

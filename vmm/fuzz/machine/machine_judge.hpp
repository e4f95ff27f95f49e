// A judge that runs programs on mmu: a world, and a processor to make the accesses.
#pragma once

#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/machine/executor.hpp"

namespace faultline::vmm::fuzz {

class MachineJudge : public Judge {
 public:
  // All that is judged with page tables, or fewer where the processor can't tell.
  static constexpr std::uint16_t kAllFields = kOutcomeField | kSignalField | kErrorField | kBytesField | kFaultsField |
                                              kCountsField | kVmasField | kContentField | kPagesField |
                                              kAccessedDirtyField;

  // `world` and `processor` outlive this.
  MachineJudge(std::string name, World& world, Processor& processor, std::uint16_t fields = kAllFields)
      : name_(std::move(name)), world_(world), processor_(processor), fields_(fields) {}

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] JudgeKind kind() const override { return kMachine; }
  Result<Trace> run(const Program& program) override;

  // The same in steps, so that several judges can share one processor. `program` outlives finish().
  // No other program is under way.
  void begin(const Program& program);
  // Whether accesses are due: work().due(). They are to be made before the next call.
  bool advance();
  [[nodiscard]] Executor& work() { return *executor_; }
  // Has the processor make them.
  void make_due();
  // They could not be made: the program is over.
  void fail_with(Error why) { done_ = tl::unexpected(std::move(why)); }
  // The trace of the program, which is over; it leaves nothing behind.
  Result<Trace> finish();

  void set_checking(Checking checking) { checking_ = checking; }

 private:
  std::string name_;
  World& world_;
  Processor& processor_;
  std::uint16_t fields_;
  Checking checking_ = Checking::kAtEnd;
  // Of the program under way.
  const Program* program_ = nullptr;
  Trace trace_;
  std::optional<Executor> executor_;
  Result<void> done_;
};

}  // namespace faultline::vmm::fuzz

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

  void set_checking(Checking checking) { checking_ = checking; }

 private:
  Result<void> run_in_world(const Program& program, Trace& trace);

  std::string name_;
  World& world_;
  Processor& processor_;
  std::uint16_t fields_;
  Checking checking_ = Checking::kAtEnd;
};

}  // namespace faultline::vmm::fuzz

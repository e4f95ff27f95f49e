// mmu with a vCPU: one machine for all programs. Each finds it as the one before did.
#pragma once

#include "vmm/fuzz/guest/vcpu_processor.hpp"
#include "vmm/fuzz/machine/machine_judge.hpp"

namespace faultline::vmm::fuzz {

class GuestJudge final : public Judge {
 public:
  static constexpr std::uint64_t kBytes = 64ULL << 20;  // one memory slot

  // `backend`: as MachineConfig::backend.
  static Result<std::unique_ptr<GuestJudge>> create(std::string_view backend);
  ~GuestJudge() override;

  [[nodiscard]] std::string_view name() const override { return machine_->backend(); }
  [[nodiscard]] JudgeKind kind() const override { return kMachine; }
  Result<Trace> run(const Program& program) override;

  [[nodiscard]] Machine& machine() { return *machine_; }
  [[nodiscard]] const VcpuProcessor& processor() const { return *processor_; }
  void set_checking(Checking checking) { judge_->set_checking(checking); }

 private:
  GuestJudge() = default;
  Result<void> set_up();

  // In the order in which they need each other; destroyed in reverse.
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Vcpu> vcpu_;
  std::optional<Engine> engine_;
  std::optional<VcpuProcessor> processor_;
  std::unique_ptr<World> world_;
  std::optional<MachineJudge> judge_;
};

}  // namespace faultline::vmm::fuzz

// mmu in plain memory with the model's processor: a world without a guest.
#pragma once

#include "vmm/fuzz/machine/machine_judge.hpp"
#include "vmm/fuzz/machine/model_processor.hpp"

namespace faultline::vmm::fuzz {

class ModelMachine {
 public:
  static constexpr std::uint64_t kBytes = 64ULL << 20;

  // `wrap`, if given, makes the sink that mmu gets out of the TLB; it outlives this. For tests of a
  // sink that does less. `faults`, if given, outlives it, too.
  using WrapSink = mmu::TlbSink& (*)(ModelTlb& tlb);
  static Result<std::unique_ptr<ModelMachine>> create(WrapSink wrap = nullptr, mmu::FaultObserver* faults = nullptr);
  ~ModelMachine();
  ModelMachine(const ModelMachine&) = delete;
  ModelMachine& operator=(const ModelMachine&) = delete;

  [[nodiscard]] MachineJudge& judge() { return *judge_; }
  [[nodiscard]] mmu::FrameAllocator& frames() { return frames_; }
  [[nodiscard]] const World& world() const { return *world_; }

 private:
  explicit ModelMachine(std::span<std::byte> memory);

  std::span<std::byte> memory_;
  mmu::FrameAllocator frames_;
  ModelTlb tlb_;
  ModelProcessor processor_;
  std::unique_ptr<World> world_;
  std::optional<MachineJudge> judge_;
};

}  // namespace faultline::vmm::fuzz

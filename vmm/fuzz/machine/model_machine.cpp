#include <sys/mman.h>

#include "vmm/fuzz/machine/model_machine.hpp"

namespace faultline::vmm::fuzz {

Result<std::unique_ptr<ModelMachine>> ModelMachine::create(WrapSink wrap, mmu::FaultObserver* faults) {
  void* const base =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return fail("no host memory for the model's machine");
  std::unique_ptr<ModelMachine> machine(new ModelMachine({static_cast<std::byte*>(base), kBytes}));
  mmu::TlbSink& sink = wrap != nullptr ? wrap(machine->tlb_) : machine->tlb_;
  auto world = World::create({.frames = machine->frames_, .sink = sink, .faults = faults});
  if (!world) return tl::unexpected(world.error());
  machine->world_ = std::move(*world);
  machine->judge_.emplace("model", *machine->world_, machine->processor_);
  return machine;
}

ModelMachine::ModelMachine(std::span<std::byte> memory)
    : memory_(memory),
      frames_(mmu::PhysMemory(memory), Gfn(1)),
      tlb_(mmu::PhysMemory(memory)),
      processor_(mmu::PhysMemory(memory), tlb_) {}

ModelMachine::~ModelMachine() {
  judge_.reset();
  world_.reset();
  ::munmap(memory_.data(), memory_.size());
}

namespace {

class ModelJudge final : public Judge {
 public:
  explicit ModelJudge(std::unique_ptr<ModelMachine> machine) : machine_(std::move(machine)) {}
  [[nodiscard]] std::string_view name() const override { return machine_->judge().name(); }
  [[nodiscard]] JudgeKind kind() const override { return kMachine; }
  Result<Trace> run(const Program& program) override { return machine_->judge().run(program); }

 private:
  std::unique_ptr<ModelMachine> machine_;
};

}  // namespace

Result<std::unique_ptr<Judge>> make_model() {
  auto machine = ModelMachine::create();
  if (!machine) return tl::unexpected(machine.error());
  return std::make_unique<ModelJudge>(std::move(*machine));
}

}  // namespace faultline::vmm::fuzz

// A vCPU as the processor of a program: one for each place where a program can be under way.
#pragma once

#include "vmm/fuzz/guest/list_runner.hpp"

namespace faultline::vmm::fuzz {

class VcpuProcessor final : public Processor {
 public:
  // All outlive this. `runner` has the same sink; other processors may share both.
  VcpuProcessor(LazySink& sink, ListRunner& runner, Engine& engine) : sink_(sink), runner_(runner), engine_(engine) {}

  Result<void> run(mmu::AddressSpace& mm, std::span<const Operation> accesses, AccessSink& sink) override;
  // The same for the runner to make, together with others.
  [[nodiscard]] AccessList list(mmu::AddressSpace& mm, std::span<const Operation> accesses, AccessSink& sink) {
    return {mm, engine_, accesses, sink, cost_};
  }
  Result<void> adopt(mmu::AddressSpace& mm) override { return engine_.install(mm); }
  // Nothing to do: the page tables make the vCPU forget them when they go.
  void release(mmu::AddressSpace&) override {}
  [[nodiscard]] bool owns(Gva address) const override { return in_engine(address); }
  bool flip_control(Control control) override { return runner_.flip_control(control, cost_); }
  void invalidate(mmu::AddressSpace& mm, Gva address) override;
  GuestCost take_cost() override;

  // Control bits as they are at the start of every program.
  Result<void> reset_controls() { return runner_.reset_controls(cost_); }

 private:
  LazySink& sink_;
  ListRunner& runner_;
  Engine& engine_;
  GuestCost cost_;
};

}  // namespace faultline::vmm::fuzz

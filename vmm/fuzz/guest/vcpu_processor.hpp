// A vCPU as the processor of a program: the engine makes the accesses at CPL3, and each fault of
// theirs is an event of the vCPU port.
#pragma once

#include <algorithm>
#include <utility>

#include "vmm/fuzz/guest/engine.hpp"
#include "vmm/fuzz/guest/lazy_sink.hpp"
#include "vmm/fuzz/machine/processor.hpp"
#include "vmm/port/machine.hpp"

namespace faultline::vmm::fuzz {

class VcpuProcessor final : public Processor {
 public:
  // All outlive this. `sink`: what the address spaces have for one, over the machine's.
  VcpuProcessor(LazySink& sink, Vcpu& vcpu, Engine& engine) : sink_(sink), vcpu_(vcpu), engine_(engine) {}

  Result<void> run(mmu::AddressSpace& mm, std::span<const Operation> accesses, AccessSink& sink) override;
  Result<void> adopt(mmu::AddressSpace& mm) override { return engine_.install(mm); }
  // Nothing to do: the page tables make the vCPU forget them when they go.
  void release(mmu::AddressSpace& mm) override { highest_ = std::max(highest_, mm.frames().high_water()); }
  [[nodiscard]] bool owns(Gva address) const override { return Engine::owns(address); }
  bool flip_control(Control control) override;
  void invalidate(mmu::AddressSpace& mm, Gva address) override;
  GuestCost take_cost() override;

  // Control bits as they are at the start of every program.
  Result<void> reset_controls();
  // Above all frames that were handed out while there were address spaces, since the last call.
  Gfn take_highest() { return std::exchange(highest_, Gfn(0)); }

 private:
  // One list of the run, and how far it is.
  struct List {
    mmu::AddressSpace& mm;
    std::span<const Operation> accesses;
    AccessSink& sink;
    std::size_t first;     // index in the run of the list's first access
    std::size_t done = 0;  // the sink was told of those before
    bool stopped = false;  // AfterFault::kStop
  };

  Result<void> switch_to(const mmu::AddressSpace& mm);
  Result<void> run_list(List& list);
  void start_at(unsigned part, std::size_t index);
  Result<void> handle(List& list, const VcpuEvent& event);
  Result<void> page_fault(List& list, const PageFaultEvent& event);
  Result<void> exception(List& list, const ExceptionEvent& event);
  Result<void> system_call(List& list);
  Result<std::size_t> current(const List& list) const;
  void tell_made(List& list, std::size_t end);
  void after(List& list, std::size_t index, AfterFault what);
  void go_on_behind(List& list, std::size_t index);

  LazySink& sink_;
  Vcpu& vcpu_;
  Engine& engine_;
  Gpa root_;  // of the page tables that the vCPU has
  bool nxe_ = true, wp_ = true;
  Gfn highest_;
  GuestCost cost_;
};

}  // namespace faultline::vmm::fuzz

// Has a vCPU make lists of accesses: the engine makes them at CPL3, and each fault of theirs is an
// event of the vCPU port. Lists of several programs, each in its own address space, are made behind
// one another without leaving the guest in between, where the vCPU can go over to the next page
// tables by itself.
#pragma once

#include <span>
#include <vector>

#include "vmm/fuzz/guest/access_list.hpp"
#include "vmm/fuzz/guest/lazy_sink.hpp"
#include "vmm/port/machine.hpp"

namespace faultline::vmm::fuzz {

class ListRunner {
 public:
  // Both outlive this. `sink`: what the address spaces have for one, over the machine's.
  ListRunner(LazySink& sink, Vcpu& vcpu) : sink_(sink), vcpu_(&vcpu) {}

  // All of `lists`, which are of different address spaces. Error: the host failed, or the guest was lost.
  Result<void> run(std::span<AccessList> lists);
  // At most so many lists are made without leaving the guest in between; 1: each by itself.
  void set_most_together(unsigned most) { most_together_ = most; }
  [[nodiscard]] unsigned most_together() const { return most_together_; }

  // False: not with this vCPU. And all as they are at the start of every program.
  bool flip_control(Control control, GuestCost& cost);
  Result<void> reset_controls(GuestCost& cost);

  // Another vCPU of the same machine, in the start state.
  void use(Vcpu& vcpu) {
    vcpu_ = &vcpu;
    root_ = Gpa();
    nxe_ = wp_ = true;
  }

 private:
  // Lists that are made together, in the order of this.
  using Round = std::span<AccessList*>;

  Result<void> run_rounds(std::span<AccessList> lists);
  Result<void> run_round(Round round);
  void begin_with_loaded(Round round);
  Result<void> arm(Round round);
  Result<void> switch_to(AccessList& list);
  Result<void> enter(Round round);
  void follow(Round round);
  Result<void> handle(AccessList& list, const VcpuEvent& event);
  Result<void> page_fault(AccessList& list, const PageFaultEvent& event);
  Result<void> exception(AccessList& list, const ExceptionEvent& event);
  Result<void> system_call(AccessList& list);
  Result<std::size_t> current_record(const AccessList& list) const;
  void after(AccessList& list, std::size_t record, AfterFault what);
  void start_at(unsigned part, std::size_t record);

  LazySink& sink_;
  Vcpu* vcpu_;
  unsigned most_together_ = 1;
  Gpa root_;  // of the page tables that the vCPU has
  bool nxe_ = true, wp_ = true;
  std::size_t at_ = 0;            // which list of the round the guest is at
  std::vector<AccessList*> due_;  // of a run
  std::vector<Gpa> roots_;        // of a round, but the first
};

}  // namespace faultline::vmm::fuzz

// The least that a demand fault can cost on this KVM: #PF -> stub -> OUT -> one store to a PTE
// -> resume. No address space, no policy, nothing recorded. What the product's fault cost is
// measured against, in the same process.
#pragma once

#include <cstdint>
#include <memory>

#include "vmm/kvm/cpu_setup.hpp"
#include "vmm/kvm/memory_slots.hpp"

namespace faultline::bench {

class BareLoop {
 public:
  // A guest that writes to `pages` pages one after the other, each of them absent. The frames
  // behind them are touched beforehand, so that the host has them ready.
  static Result<std::unique_ptr<BareLoop>> create(std::uint64_t pages);

  // Runs the guest to its next fault and answers it. False: no KVM_EXIT_IO of the #PF stub came,
  // or no page is left.
  bool fault();
  [[nodiscard]] std::uint64_t remaining() const { return pages_ - done_; }

 private:
  BareLoop(vmm::kvm::System system, vmm::kvm::VmFd vm, vmm::GuestRam ram, std::uint64_t pages);
  Result<void> set_up();
  void build_tables();
  void start_user_code();

  vmm::kvm::System system_;
  vmm::kvm::VmFd vm_;
  vmm::GuestRam ram_;
  vmm::kvm::MemorySlots slots_;
  vmm::kvm::VcpuArea area_;
  std::unique_ptr<vmm::kvm::VcpuFd> vcpu_;
  std::uint64_t pages_, done_ = 0;
  std::uint64_t* entries_ = nullptr;  // the level-1 entries, in the order of the faults
  std::uint64_t first_frame_ = 0;
};

}  // namespace faultline::bench

// A machine on KVM.
#pragma once

#include <memory>
#include <vector>

#include "vmm/kvm/kvm_vcpu.hpp"
#include "vmm/port/machine.hpp"

namespace faultline::vmm::kvm {

class KvmMachine final : public Machine {
 public:
  static Result<std::unique_ptr<KvmMachine>> create(const MachineConfig& config);

  [[nodiscard]] mmu::FrameAllocator& frames() override { return *frames_; }
  [[nodiscard]] mmu::TlbSink& sink() override { return *sink_; }
  [[nodiscard]] Gfn kernel_half() const override { return kKernelHalfFrame; }
  [[nodiscard]] mmu::PagingMode mode() const override { return config_.mode; }
  Result<std::unique_ptr<Vcpu>> create_vcpu() override;
  [[nodiscard]] std::string_view backend() const override { return backend_; }

 private:
  KvmMachine(MachineConfig config, System system, VmFd vm, GuestRam ram);
  Result<void> set_up();

  MachineConfig config_;
  std::string backend_;
  System system_;
  VmFd vm_;
  GuestRam ram_;
  MemorySlots slots_;
  CpuModel model_;
  std::size_t run_size_ = 0;
  StubVariant variant_ = StubVariant::kPlain;
  std::vector<std::unique_ptr<FlushRequest>> flush_requests_;
  std::unique_ptr<mmu::TlbSink> sink_;
  std::unique_ptr<mmu::FrameAllocator> frames_;
};

}  // namespace faultline::vmm::kvm

namespace faultline::vmm {

// The machine that this host's KVM gives. Errors: no KVM (with the remedy), a configuration
// that it cannot do.
Result<std::unique_ptr<Machine>> create_kvm_machine(const MachineConfig& config);

}  // namespace faultline::vmm

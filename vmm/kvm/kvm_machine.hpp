// A machine on KVM.
#pragma once

#include <memory>

#include "vmm/kvm/kvm_vcpu.hpp"
#include "vmm/kvm/sink_choice.hpp"
#include "vmm/port/machine.hpp"

namespace faultline::vmm::kvm {

// How KVM tells of dirty pages. Whoever has them in the ring takes them before 60,000 have come together: a
// vCPU whose ring is full stops for good.
enum class DirtyPages : std::uint8_t { kLog, kRing };

// Its vCPUs must be gone before it is.
class KvmMachine final : public Machine {
 public:
  static Result<std::unique_ptr<KvmMachine>> create(const MachineConfig& config,
                                                    DirtyPages dirty_pages = DirtyPages::kLog);

  [[nodiscard]] mmu::FrameAllocator& frames() override { return *frames_; }
  [[nodiscard]] mmu::TlbSink& sink() override { return *sink_.sink; }
  [[nodiscard]] Gfn kernel_half() const override { return kKernelHalfFrame; }
  [[nodiscard]] mmu::PagingMode mode() const override { return config_.mode; }
  Result<std::unique_ptr<Vcpu>> create_vcpu() override;
  Result<void> log_dirty(bool on) override { return slots_.log_dirty(on); }
  Result<void> take_dirty(std::vector<Gfn>& frames) override { return slots_.take_dirty(frames); }
  [[nodiscard]] std::string_view backend() const override { return backend_.name; }
  [[nodiscard]] Result<std::vector<HostStatistic>> host_statistics() const override;

  // As create_vcpu(), by its own type.
  Result<std::unique_ptr<KvmVcpu>> create_kvm_vcpu();
  // One that runs code at CPL0, for whoever does that by himself: in the start state, at the resume
  // stub, with `root` in CR3. `tlb` says what to do on the way back through the stubs.
  struct BareVcpu {
    VcpuFd fd;
    unsigned index = 0;
    GuestTlb tlb;
  };
  Result<BareVcpu> create_bare_vcpu(Gpa root);
  // For doctor and tests.
  [[nodiscard]] const BackendInfo& backend_info() const { return backend_; }
  [[nodiscard]] const SinkChoice& sink_choice() const { return sink_; }
  [[nodiscard]] const CpuModel& cpu_model() const { return model_; }
  [[nodiscard]] const System& system() const { return system_; }
  [[nodiscard]] const GuestRam& ram() const { return ram_; }

 private:
  KvmMachine(MachineConfig config, DirtyPages dirty_pages, System system, VmFd vm, GuestRam ram);
  Result<void> set_up();
  Result<std::unique_ptr<KvmVcpu>> make_vcpu();

  MachineConfig config_;
  DirtyPages dirty_pages_;
  BackendInfo backend_;
  System system_;
  VmFd vm_;
  GuestRam ram_;
  MemorySlots slots_;
  CpuModel model_;
  std::size_t run_size_ = 0;
  std::size_t ring_bytes_ = 0;  // of each vCPU's dirty ring; 0: they have none
  unsigned vcpus_ = 0;          // made so far
  TlbBooks books_;
  SinkChoice sink_;
  std::unique_ptr<KvmVcpu> first_vcpu_;  // ran the self-test; the first to be handed out
  std::unique_ptr<mmu::FrameAllocator> frames_;
};

}  // namespace faultline::vmm::kvm

namespace faultline::vmm {

// The machine that this host's KVM gives. Errors: no KVM (with the remedy), a configuration
// that it cannot do.
Result<std::unique_ptr<Machine>> create_kvm_machine(const MachineConfig& config,
                                                    kvm::DirtyPages dirty_pages = kvm::DirtyPages::kLog);

}  // namespace faultline::vmm

// A machine without KVM: every vCPU is a process of its own whose lower half is the guest's
// address space. For convenience and tests; no boundary against hostile code (docs/hosted.md).
#pragma once

#include <memory>
#include <vector>

#include "vmm/hosted/hosted_vcpu.hpp"
#include "vmm/port/machine.hpp"

namespace faultline::vmm::hosted {

// Takes the stale mappings out of every stub.
class HostedSink final : public mmu::TlbSink {
 public:
  // `vcpus`: the machine's; may grow and shrink, must outlive this.
  explicit HostedSink(const std::vector<HostedVcpu*>& vcpus) : vcpus_(vcpus) {}
  mmu::TlbAction flush(const mmu::TlbBatch& batch) override;
  // Nothing keeps a copy of the tables themselves.
  [[nodiscard]] bool tables_reusable_after_flush() const override { return true; }
  mmu::TlbAction drop_all() override;

 private:
  const std::vector<HostedVcpu*>& vcpus_;
};

// Moves stubs out of the guest's way.
class HostedUserHalf final : public mmu::UserHalf {
 public:
  // `vcpus`: as for HostedSink.
  explicit HostedUserHalf(const std::vector<HostedVcpu*>& vcpus) : vcpus_(vcpus) {}
  [[nodiscard]] bool make_way(Gva start, Gva end, const IsFree& is_free) override;

 private:
  const std::vector<HostedVcpu*>& vcpus_;
};

// Its vCPUs must be gone before it is.
class HostedMachine final : public Machine {
 public:
  static Result<std::unique_ptr<HostedMachine>> create(const MachineConfig& config);

  [[nodiscard]] mmu::FrameAllocator& frames() override { return *frames_; }
  [[nodiscard]] mmu::TlbSink& sink() override { return sink_; }
  [[nodiscard]] Gfn kernel_half() const override { return Gfn(0); }
  [[nodiscard]] mmu::UserHalf* user_half() override { return &user_half_; }
  [[nodiscard]] mmu::PagingMode mode() const override { return mmu::PagingMode::kFourLevel; }
  Result<std::unique_ptr<Vcpu>> create_vcpu() override;
  [[nodiscard]] std::string_view backend() const override { return "hosted"; }

  // As create_vcpu(), by its own type.
  Result<std::unique_ptr<HostedVcpu>> create_hosted_vcpu();
  // How many mappings a stub may have: by default what vm.max_map_count allows, less a reserve.
  void set_mapping_limit(std::size_t limit) { mapping_limit_ = limit; }
  [[nodiscard]] std::size_t mapping_limit() const { return mapping_limit_; }

 private:
  explicit HostedMachine(GuestRam ram);

  GuestRam ram_;
  std::unique_ptr<mmu::FrameAllocator> frames_;
  std::vector<HostedVcpu*> vcpus_;
  unsigned created_ = 0;
  HostedSink sink_{vcpus_};
  HostedUserHalf user_half_{vcpus_};
  std::size_t mapping_limit_;
};

}  // namespace faultline::vmm::hosted

namespace faultline::vmm {

// Starts and ends a guest process, to see whether this host allows it, and what it can do then.
// Error: what is missing.
Result<VcpuCapabilities> try_hosted();

// Errors: a configuration that only KVM can do; what the host lacks shows when a vCPU is made.
Result<std::unique_ptr<Machine>> create_hosted_machine(const MachineConfig& config);

}  // namespace faultline::vmm

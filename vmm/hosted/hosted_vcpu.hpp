// A vCPU that is a stub process: guest code runs natively in it, and what stops it there becomes
// the same events that a CPU's exceptions become on KVM.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "vmm/hosted/cpuid.hpp"
#include "vmm/hosted/shadow.hpp"
#include "vmm/port/vcpu.hpp"

namespace faultline::vmm::hosted {

class HostedVcpu final : public Vcpu {
 public:
  // `limit`: of mappings in the stub. `gone` is called when the vCPU ends.
  static Result<std::unique_ptr<HostedVcpu>> create(const GuestRam& ram, unsigned index, std::size_t limit,
                                                    std::function<void(HostedVcpu&)> gone);
  ~HostedVcpu() override;

  Result<VcpuEvent> run() override;
  [[nodiscard]] const UserRegs& regs() const override { return regs_; }
  UserRegs& edit_regs() override { return regs_; }
  [[nodiscard]] Result<std::uint64_t> fs_base() override { return stub_->fs_base(); }
  Result<void> set_fs_base(std::uint64_t base) override;
  [[nodiscard]] Result<std::uint64_t> gs_base() override { return stub_->gs_base(); }
  Result<void> set_gs_base(std::uint64_t base) override;
  [[nodiscard]] std::size_t xsave_size() const override { return xsave_bytes_; }
  [[nodiscard]] std::uint64_t xsave_features() const override { return xsave_features_; }
  Result<void> get_xsave(std::span<std::byte> area) override;
  Result<void> set_xsave(std::span<const std::byte> area) override;
  Result<void> set_page_table(Gpa root) override;
  void kick() override;
  [[nodiscard]] const RunTimes& last_run() const override { return times_; }
  [[nodiscard]] RawExit last_exit() const override { return exit_; }
  [[nodiscard]] const VcpuCapabilities& capabilities() const override { return capabilities_; }
  [[nodiscard]] unsigned index() const override { return index_; }

  // Goes on in another process whose region is at `place`. Precondition: not in run(). Error: none
  // can be started, and the old one goes on.
  Result<void> move_stub(StubPlace place);

  [[nodiscard]] Shadow& shadow() { return shadow_; }
  [[nodiscard]] const Shadow& shadow() const { return shadow_; }
  [[nodiscard]] const StubProcess& stub() const { return *stub_; }

 private:
  HostedVcpu(std::unique_ptr<StubProcess> stub, const GuestRam& ram, unsigned index, std::size_t limit,
             std::function<void(HostedVcpu&)> gone);
  Result<void> set_up();
  void enter();
  bool repeats();
  bool take_kick();
  // Nothing: the guest may run on, there is nothing to report.
  std::optional<VcpuEvent> classify();
  std::optional<VcpuEvent> page_fault();
  std::optional<VcpuEvent> system_call();
  VcpuEvent illegal_instruction();
  bool is_cpuid(unsigned vector);
  std::optional<VcpuEvent> cpuid();
  VcpuEvent fatal(std::string summary);
  void load_registers();
  void store_registers();

  struct Miss {
    Gva address;
    std::uint64_t rip = 0, error = 0;
    bool operator==(const Miss&) const = default;
  };

  const GuestRam& ram_;
  std::unique_ptr<StubProcess> stub_;
  Shadow shadow_;
  unsigned index_;
  std::function<void(HostedVcpu&)> gone_;
  VcpuCapabilities capabilities_;
  std::size_t xsave_bytes_ = 0;
  std::uint64_t xsave_features_ = 0;
  std::size_t cpuid_bytes_ = 0;  // of the instruction that is_cpuid() found

  KernelFrame frame_{};
  UserRegs regs_;
  std::optional<PageFaultEvent> answered_;  // by the layers above, since the last run
  Miss miss_;                               // the last fault that the shadow answered alone
  std::uint64_t repeats_ = 0;               // and how often in a row it came
  bool dead_ = false;
  RunTimes times_;
  RawExit exit_;  // of the last run()
  std::atomic<bool> kicked_{false};
};

}  // namespace faultline::vmm::hosted

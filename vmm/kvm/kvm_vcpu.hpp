// A vCPU of a KVM machine. One KVM_RUN a fault and no other system call: registers travel in
// the shared run area (KVM_CAP_SYNC_REGS), the exception frame is read from guest memory.
//
// Where the vCPU can stand between two calls of run():
//   kAtExit   at the OUT of a stub, CPL0; KVM has not completed the OUT yet, so RIP is not to be
//             touched. Everything of user code's goes into the IRETQ frame and the registers.
//   kAtResume at the resume stub, CPL0: before the first run, or after a signal hit the way back.
//   kInUser   in user code: a signal or kick() interrupted it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <optional>
#include <vector>

#include "vmm/kvm/cpu_setup.hpp"
#include "vmm/kvm/special_registers.hpp"
#include "vmm/port/vcpu.hpp"

namespace faultline::vmm::kvm {

class KvmVcpu final : public Vcpu {
 public:
  // `vcpu` stands at the resume stub (boot_vcpu); the stubs are those of kPlain until restart().
  KvmVcpu(VcpuFd vcpu, unsigned index, const CpuModel& model, const GuestRam& ram, GuestTlb tlb,
          VcpuCapabilities capabilities, Gpa root);

  // Back to the start state, as if it had never run, with `variant` of the stubs.
  Result<void> restart(StubVariant variant);

  // For probes of KVM's behaviour: what KVM left in the run area, and the frame of the last
  // exception, before anything was made of them.
  [[nodiscard]] const kvm_run& run_area() const { return vcpu_.run(); }
  [[nodiscard]] const StubFrame& stub_frame(unsigned vector) const { return area_.frame(vector); }
  [[nodiscard]] SpecialRegisters& special_registers() { return special_; }
  // What is in use of what the CPU has for several address spaces; nothing under shadow paging.
  [[nodiscard]] const TlbFeatures& tlb_features() const { return tlb_.features(); }

  Result<VcpuEvent> run() override;
  [[nodiscard]] const UserRegs& regs() const override { return regs_; }
  UserRegs& edit_regs() override {
    edited_ = true;
    return regs_;
  }
  [[nodiscard]] Result<std::uint64_t> fs_base() override;
  Result<void> set_fs_base(std::uint64_t base) override;
  [[nodiscard]] Result<std::uint64_t> gs_base() override;
  Result<void> set_gs_base(std::uint64_t base) override;
  [[nodiscard]] std::size_t xsave_size() const override { return model_.xsave_bytes; }
  [[nodiscard]] std::uint64_t xsave_features() const override { return model_.xsave_features; }
  Result<void> get_xsave(std::span<std::byte> area) override;
  Result<void> set_xsave(std::span<const std::byte> area) override;
  Result<void> set_page_table(Gpa root) override;
  Result<SegmentBases> switch_process(Gpa root, SegmentBases bases) override;
  Result<void> set_page_table_steps(std::span<const Gpa> roots) override;
  [[nodiscard]] std::size_t page_table_steps_taken() const override { return steps_followed_; }
  Result<bool> set_control(ControlBit bit, bool on) override;
  void kick() override;
  [[nodiscard]] const RunTimes& last_run() const override { return times_; }
  [[nodiscard]] RawExit last_exit() const override;
  [[nodiscard]] const VcpuCapabilities& capabilities() const override { return capabilities_; }
  [[nodiscard]] unsigned index() const override { return index_; }
  [[nodiscard]] AddressSpaceLoads address_space_loads() const override { return tlb_.statistics(); }
  [[nodiscard]] Result<std::vector<HostStatistic>> host_statistics() const override;

 private:
  enum class Position : std::uint8_t { kAtExit, kAtResume, kInUser };

  [[nodiscard]] mmu::PagingMode mode() const {
    return (model_.cr4 & kCr4La57) != 0 ? mmu::PagingMode::kFiveLevel : mmu::PagingMode::kFourLevel;
  }
  void prepare_resume();
  void prepare_user();
  // The stubs flush and load page tables; the host does not.
  [[nodiscard]] bool loads_in_stub() const { return variant_ == StubVariant::kFlush; }
  Result<void> make_stub_usable();
  std::uint64_t place_order();
  int enter();
  bool take_kick();
  void follow_steps();
  void bounce_off_step();
  bool take_bounce(StubFrame& frame);
  Result<std::optional<VcpuEvent>> after_signal();
  bool return_to_stub();
  VcpuEvent decode_exit();
  VcpuEvent decode_exception(unsigned vector);
  VcpuEvent decode_syscall();
  VcpuEvent fatal();
  void load_registers();
  Result<void> change_now(auto&& change);
  Result<void> require_canonical(std::uint64_t base) const;

  VcpuFd vcpu_;
  SpecialRegisters special_;
  unsigned index_;
  CpuModel model_;
  const GuestRam& ram_;
  VcpuArea area_;
  StubVariant variant_ = StubVariant::kPlain;
  GuestTlb tlb_;
  VcpuCapabilities capabilities_;
  Gpa root_;  // of user code's tables; where the stubs load them, those that are loaded may be others

  std::vector<Gpa> steps_;          // page tables that user code goes over to by itself
  std::size_t steps_followed_ = 0;  // root_ knows of so many
  std::optional<std::uint64_t> bounced_from_;

  Position position_ = Position::kAtResume;
  bool edited_ = true;
  bool dead_ = false;
  UserRegs regs_;
  RunTimes times_;
  std::uint32_t entries_ = 0;  // of the last run()
  std::atomic<bool> kicked_{false};
  std::atomic<pid_t> thread_{0};  // that is inside run()
};

}  // namespace faultline::vmm::kvm

// A vCPU that runs nothing: registers, bases and FP state are what a test puts there.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "vmm/port/vcpu.hpp"

namespace faultline::test {

class FakeVcpu : public vmm::Vcpu {
 public:
  // x87, SSE and AVX: 512 bytes legacy area, 64 of header, 256 of upper halves.
  static constexpr std::size_t kXsaveBytes = 832;
  static constexpr std::uint64_t kFeatures = 7;

  FakeVcpu() : xsave(kXsaveBytes) {
    const std::uint16_t fcw = 0x37f;
    const std::uint32_t mxcsr = 0x1f80, mxcsr_mask = 0xffff;
    std::memcpy(xsave.data(), &fcw, sizeof fcw);
    std::memcpy(xsave.data() + 24, &mxcsr, sizeof mxcsr);
    std::memcpy(xsave.data() + 28, &mxcsr_mask, sizeof mxcsr_mask);
  }

  Result<vmm::VcpuEvent> run() override { return vmm::VcpuEvent{vmm::InterruptedEvent{}}; }
  const vmm::UserRegs& regs() const override { return regs_; }
  vmm::UserRegs& edit_regs() override { return regs_; }
  Result<std::uint64_t> fs_base() override { return fs; }
  Result<void> set_fs_base(std::uint64_t base) override {
    fs = base;
    return {};
  }
  Result<std::uint64_t> gs_base() override { return gs; }
  Result<void> set_gs_base(std::uint64_t base) override {
    gs = base;
    return {};
  }
  std::size_t xsave_size() const override { return xsave.size(); }
  std::uint64_t xsave_features() const override { return kFeatures; }
  Result<void> get_xsave(std::span<std::byte> area) override {
    std::ranges::copy(xsave, area.begin());
    return {};
  }
  Result<void> set_xsave(std::span<const std::byte> area) override {
    std::ranges::copy(area, xsave.begin());
    return {};
  }
  Result<void> set_page_table(Gpa root) override {
    page_table = root;
    return {};
  }
  void kick() override {}
  const vmm::RunTimes& last_run() const override { return times_; }
  const vmm::VcpuCapabilities& capabilities() const override { return capabilities_; }
  unsigned index() const override { return 0; }

  std::uint64_t fs = 0, gs = 0;
  std::vector<std::byte> xsave;
  Gpa page_table;

 private:
  vmm::UserRegs regs_;
  vmm::RunTimes times_;
  vmm::VcpuCapabilities capabilities_;
};

}  // namespace faultline::test

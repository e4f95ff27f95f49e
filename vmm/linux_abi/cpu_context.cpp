#include "vmm/linux_abi/cpu_context.hpp"

#include <cstdint>
#include <cstring>

namespace faultline::vmm::linux_abi {

Result<CpuContext> CpuContext::of(Vcpu& vcpu) {
  CpuContext context;
  context.regs = vcpu.regs();
  const auto fs = vcpu.fs_base();
  if (!fs) return tl::unexpected(fs.error());
  const auto gs = vcpu.gs_base();
  if (!gs) return tl::unexpected(gs.error());
  context.bases = {*fs, *gs};
  context.xsave.resize(vcpu.xsave_size());
  if (auto got = vcpu.get_xsave(context.xsave); !got) return tl::unexpected(got.error());
  return context;
}

std::vector<std::byte> initial_xsave(const Vcpu& vcpu) {
  constexpr std::size_t kMxcsr = 24;
  constexpr std::uint16_t kFcw = 0x37f;
  constexpr std::uint32_t kMxcsrInit = 0x1f80;
  std::vector<std::byte> area(vcpu.xsave_size());
  std::memcpy(area.data(), &kFcw, sizeof kFcw);
  std::memcpy(area.data() + kMxcsr, &kMxcsrInit, sizeof kMxcsrInit);
  return area;
}

}  // namespace faultline::vmm::linux_abi

#include "vmm/decode/register_file.hpp"

#include <cstring>

namespace faultline::vmm::decode {

namespace {
// SDM vol. 1, "XSAVE-Managed Features": the standard format's offsets.
constexpr std::size_t kXmmOffset = 160;
constexpr std::size_t kHeaderOffset = 512;
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kYmmHighOffset = kHeaderOffset + kHeaderBytes;
constexpr std::uint64_t kSseState = 1U << 1;
constexpr std::uint64_t kAvxState = 1U << 2;
}  // namespace

std::optional<VectorRegisters> vectors_from_xsave(std::span<const std::byte> area) {
  VectorRegisters v;
  if (area.size() < kYmmHighOffset) return std::nullopt;
  std::uint64_t in_use = 0;
  std::memcpy(&in_use, area.data() + kHeaderOffset, sizeof in_use);
  const bool avx = (in_use & kAvxState) != 0;
  if (avx && area.size() < kYmmHighOffset + v.ymm.size() * 16) return std::nullopt;
  for (std::size_t n = 0; n < v.ymm.size(); ++n) {
    if ((in_use & kSseState) != 0) std::memcpy(v.ymm[n].data(), area.data() + kXmmOffset + n * 16, 16);
    if (avx) std::memcpy(v.ymm[n].data() + 16, area.data() + kYmmHighOffset + n * 16, 16);
  }
  return v;
}

}  // namespace faultline::vmm::decode

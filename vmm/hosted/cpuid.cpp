#include "vmm/hosted/cpuid.hpp"

#include <Zydis/Zydis.h>
#include <cpuid.h>

#include <algorithm>

namespace faultline::vmm::hosted {
namespace {

constexpr std::uint32_t kStateLeaf = 0xd;
constexpr unsigned kFirstExtended = 2, kComponents = 63;
constexpr std::size_t kLegacyAndHeader = 512 + 64;

CpuidRegs host_cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  CpuidRegs r;
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}

// SDM vol. 1, "Compacted Format of the XSAVE Area": one after the other, some aligned to 64 bytes.
std::size_t compacted_bytes(std::uint64_t components) {
  constexpr std::uint32_t kAligned = 1U << 1;
  std::size_t bytes = kLegacyAndHeader;
  for (unsigned c = kFirstExtended; c < kComponents; ++c) {
    if (((components >> c) & 1) == 0) continue;
    const CpuidRegs part = host_cpuid(kStateLeaf, c);
    if ((part.ecx & kAligned) != 0) bytes = (bytes + 63) & ~std::size_t{63};
    bytes += part.eax;
  }
  return bytes;
}

// Where Intel repeats the last basic leaf, and others answer nothing.
bool out_of_range(std::uint32_t leaf) {
  constexpr std::uint32_t kExtended = 0x8000'0000;
  if (leaf < kExtended) return leaf > host_cpuid(0, 0).eax;
  return leaf > std::max(kExtended, host_cpuid(kExtended, 0).eax);
}

}  // namespace

std::size_t length_of_cpuid(std::span<const std::byte> code) {
  ZydisDecoder decoder;
  ZydisDecodedInstruction instruction;
  if (ZYAN_FAILED(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
      ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, nullptr, code.data(), code.size(), &instruction)))
    return 0;
  return instruction.mnemonic == ZYDIS_MNEMONIC_CPUID ? instruction.length : 0;
}

CpuidRegs Cpuid::answer(std::uint32_t leaf, std::uint32_t subleaf) const {
  if (out_of_range(leaf)) return {};
  CpuidRegs r = guest_cpuid(leaf, subleaf, host_cpuid(leaf, subleaf), components_);
  constexpr std::uint32_t kHypervisor = 1U << 31;
  if (leaf == 1) {
    r.ebx = (r.ebx & 0x00ff'ffff) | apic_id_ << 24;
    r.ecx |= kHypervisor;
  } else if (leaf == kStateLeaf && subleaf == 0) {
    r.ebx = r.ecx = static_cast<std::uint32_t>(standard_bytes(components_));
  } else if (leaf == kStateLeaf && subleaf == 1) {
    r.ebx = static_cast<std::uint32_t>(compacted_bytes(components_));
  }
  return r;
}

// SDM vol. 1, "Standard Format of the XSAVE Area".
std::size_t Cpuid::standard_bytes(std::uint64_t components) {
  std::size_t bytes = kLegacyAndHeader;
  for (unsigned c = kFirstExtended; c < kComponents; ++c) {
    if (((components >> c) & 1) == 0) continue;
    const CpuidRegs part = host_cpuid(kStateLeaf, c);
    bytes = std::max<std::size_t>(bytes, part.ebx + part.eax);
  }
  return bytes;
}

}  // namespace faultline::vmm::hosted

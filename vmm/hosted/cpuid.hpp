// CPUID of hosted guests. Where the CPU can be told to fault on CPUID in user code (arch_prctl
// ARCH_CPUID; Intel since Ivy Bridge, AMD since Zen 5), the instruction arrives as #GP and is
// answered here; elsewhere user code sees the host's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "vmm/port/guest_cpu.hpp"

namespace faultline::vmm::hosted {

// The bytes of the instruction at the start of `code` if it is CPUID, with whatever prefixes;
// 0: it is another one, or cut short.
[[nodiscard]] std::size_t length_of_cpuid(std::span<const std::byte> code);

class Cpuid {
 public:
  // `components`: the state components that the guest has; `apic_id`: of the vCPU.
  Cpuid(std::uint64_t components, unsigned apic_id) : components_(components), apic_id_(apic_id) {}
  [[nodiscard]] CpuidRegs answer(std::uint32_t leaf, std::uint32_t subleaf) const;
  // Bytes of an XSAVE area of the standard format for these components.
  [[nodiscard]] static std::size_t standard_bytes(std::uint64_t components);

 private:
  std::uint64_t components_;
  unsigned apic_id_;
};

}  // namespace faultline::vmm::hosted

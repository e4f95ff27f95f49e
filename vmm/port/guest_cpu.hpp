// Which CPU a guest sees: the host's, less what user code of a guest could not use, and less what
// would differ between the host's CPUs. One rule for every backend, so that a C library that
// chooses its code by CPUID makes the same choice, hence the same faults, on all of them.
#pragma once

#include <cstdint>

namespace faultline::vmm {

struct CpuidRegs {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  bool operator==(const CpuidRegs&) const = default;
};

// The state components (bits of XCR0) of a guest, of those that `xcr0` has. Left out are protection
// keys and AMX, which need the host's permission for each process.
// SDM vol. 1, "XSAVE-Supported Features and State-Component Bitmaps".
[[nodiscard]] std::uint64_t guest_state_components(std::uint64_t xcr0);

// What becomes of the answer `host` to CPUID `leaf`, `subleaf` in a guest whose state components
// are `components`. Sizes in leaf 0DH and the initial APIC ID are the backend's to put in.
// SDM vol. 2A, "CPUID"; AMD APM vol. 3, appendix E.
[[nodiscard]] CpuidRegs guest_cpuid(std::uint32_t leaf, std::uint32_t subleaf, CpuidRegs host,
                                    std::uint64_t components);

}  // namespace faultline::vmm

#include "vmm/port/guest_cpu.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace faultline::vmm {
namespace {

constexpr std::uint32_t bits(std::initializer_list<unsigned> numbers) {
  std::uint32_t mask = 0;
  for (const unsigned n : numbers) mask |= 1U << n;
  return mask;
}

constexpr std::uint64_t kProtectionKeys = 1ULL << 9;
constexpr std::uint64_t kAmx = 3ULL << 17;

// Leaves that are empty: MONITOR, performance monitoring, topology, resource control, SGX,
// processor trace, key locker, hybrid parts, PCONFIG, AMX, history reset, AVX10, AMD's APIC IDs.
constexpr std::array<std::uint32_t, 17> kEmptyLeaves = {0x05, 0x0a, 0x0b, 0x0f, 0x10, 0x12, 0x14, 0x19,       0x1a,
                                                        0x1b, 0x1d, 0x1e, 0x1f, 0x20, 0x23, 0x24, 0x8000'001e};
constexpr std::uint32_t kHypervisorLeaves = 0x4000'0000, kHypervisorLeavesEnd = 0x5000'0000;

// Bits that are cleared. What a supervisor alone could use, what it would have to enable, and
// what the table above leaves without its leaf.
struct Hidden {
  std::uint32_t leaf, subleaf;
  CpuidRegs mask;
};
constexpr std::array<Hidden, 4> kHidden = {{
    // ECX: DTES64 MONITOR DS-CPL VMX SMX EIST TM2 CNXT-ID xTPR PDCM PCID DCA
    {0x1, 0, {.ecx = bits({2, 3, 4, 5, 6, 7, 8, 10, 14, 15, 17, 18})}},
    // EBX: SGX INVPCID RDT-M RDT-A PT. ECX: PKU OSPKE WAITPKG CET_SS TME LA57 RDPID KL BUS_LOCK
    // ENQCMD SGX_LC PKS. EDX: UINTR HYBRID PCONFIG CET_IBT AMX-BF16 AMX-TILE AMX-INT8
    {0x7,
     0,
     {.ebx = bits({2, 10, 12, 15, 25}),
      .ecx = bits({3, 4, 5, 7, 13, 16, 22, 23, 24, 29, 30, 31}),
      .edx = bits({5, 15, 18, 20, 22, 24, 25})}},
    // EAX: FRED LKGS WRMSRNS AMX-FP16 HRESET LAM. EDX: AMX-COMPLEX UIRET CET_SSS AVX10
    {0x7, 1, {.eax = bits({17, 18, 19, 21, 22, 26}), .edx = bits({8, 17, 18, 19})}},
    // ECX: SVM SKINIT MONITORX. EDX: PDPE1GB RDTSCP (what both tell of the CPU is the host's)
    {0x8000'0001, 0, {.ecx = bits({2, 12, 29}), .edx = bits({26, 27})}},
}};

// SDM vol. 1, "Enumeration of CPU Support for XSAVE Instructions and XSAVE-Supported Features".
CpuidRegs extended_state(std::uint32_t subleaf, CpuidRegs host, std::uint64_t components) {
  constexpr std::uint32_t kUserInstructions = bits({0, 1, 2});  // XSAVEOPT, XSAVEC, XGETBV with ECX 1
  if (subleaf == 0) {
    host.eax = static_cast<std::uint32_t>(components);
    host.edx = static_cast<std::uint32_t>(components >> 32);
    return host;
  }
  if (subleaf == 1) return {.eax = host.eax & kUserInstructions, .ebx = host.ebx};
  return subleaf < 64 && ((components >> subleaf) & 1) != 0 ? host : CpuidRegs{};
}

}  // namespace

std::uint64_t guest_state_components(std::uint64_t xcr0) { return xcr0 & ~(kProtectionKeys | kAmx); }

CpuidRegs guest_cpuid(std::uint32_t leaf, std::uint32_t subleaf, CpuidRegs host, std::uint64_t components) {
  if (std::ranges::find(kEmptyLeaves, leaf) != kEmptyLeaves.end()) return {};
  if (leaf >= kHypervisorLeaves && leaf < kHypervisorLeavesEnd) return {};
  if (leaf == 0xd) return extended_state(subleaf, host, components);
  constexpr std::uint32_t kAlwaysRunningApicTimer = 1U << 2;
  if (leaf == 0x6) return {.eax = host.eax & kAlwaysRunningApicTimer};
  // No brand, and of the address sizes those without a guest in a guest and without its cores.
  if (leaf >= 0x8000'0002 && leaf <= 0x8000'0004) return {};
  if (leaf == 0x8000'0008) return {.eax = host.eax & 0xffff, .ebx = host.ebx};
  for (const Hidden& h : kHidden) {
    // Leaf 1 and 80000001H have no subleaves, whatever ECX is.
    if (h.leaf != leaf || (leaf == 0x7 && h.subleaf != subleaf)) continue;
    host.eax &= ~h.mask.eax, host.ebx &= ~h.mask.ebx, host.ecx &= ~h.mask.ecx, host.edx &= ~h.mask.edx;
  }
  return host;
}

}  // namespace faultline::vmm

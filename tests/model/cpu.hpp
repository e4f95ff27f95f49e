// The state that paging depends on: what the processor has, and what software switched on.
// SDM vol. 3A, "Paging Modes and Control Bits", "Enumeration of Paging Features by CPUID".
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "mmu/base/address.hpp"

namespace faultline::model {

enum class Paging : std::uint8_t { kNone, kTwoLevel, kPae, kFourLevel, kFiveLevel };
inline constexpr std::array kPagingModes = {Paging::kNone, Paging::kTwoLevel, Paging::kPae, Paging::kFourLevel,
                                            Paging::kFiveLevel};
std::string_view name(Paging paging);

// Levels of tables in memory that a walk reads. PAE has two: its PDPTEs are registers.
constexpr unsigned memory_levels(Paging paging) {
  switch (paging) {
    case Paging::kNone: return 0;
    case Paging::kTwoLevel:
    case Paging::kPae: return 2;
    case Paging::kFourLevel: return 4;
    case Paging::kFiveLevel: return 5;
  }
  return 0;
}
constexpr bool long_mode(Paging paging) { return paging == Paging::kFourLevel || paging == Paging::kFiveLevel; }

// What CPUID says of the processor.
struct Cpu {
  unsigned physical_bits = 52;  // MAXPHYADDR
  bool huge_1g = true;          // CPUID.80000001H:EDX.Page1GB
  bool pse36 = true;            // 4 MiB pages with physical addresses of up to 40 bits
  // AMD APM vol. 2, "Long-Mode Page Translation": bit 8 of a PML4E or PML5E must be zero there;
  // Intel ignores it.
  bool top_global_reserved = false;
};

// What software set. PKRU and PKRS are per access in hardware as well: they are registers.
struct Controls {
  Paging paging = Paging::kFourLevel;
  bool wp = true;                                  // CR0
  bool pse = true, pge = true;                     // CR4; PSE matters to 2-level paging only
  bool smep = false, smap = false;                 // CR4
  bool pke = false, pks = false;                   // CR4
  bool pcide = false;                              // CR4; PCIDs matter to what is cached only (tlb.hpp)
  bool nxe = true;                                 // EFER
  std::uint32_t pkru = 0, pkrs = 0;                // AD at bit 2k, WD at bit 2k+1
  Gpa root;                                        // CR3 without its low bits
  std::array<std::uint64_t, 4> pdpte_registers{};  // PAE: loaded by MOV to CR3 (load_pdptes())
};

}  // namespace faultline::model

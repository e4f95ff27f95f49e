// The one page-table walker. SDM vol. 3A, "Hierarchical Paging Structures: an Overview",
// "Determination of Access Rights". It reads; it never sets A or D.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "mmu/arch/error_code.hpp"
#include "mmu/arch/paging_mode.hpp"
#include "mmu/pgtable/slot.hpp"

namespace faultline::mmu {

// The first frame of the page that a present leaf maps. Pages of 4 MiB have bits 39:32 of their
// address in bits 20:13 (SDM vol. 3A, "32-Bit Paging", PSE-36).
constexpr Gfn page_frame(Pte entry, Level level, PagingMode mode) {
  if (mode != PagingMode::kTwoLevel || level == 1) return entry.frame(level);
  return Gfn((entry.raw() & 0xffc0'0000) >> kPageShift | (entry.raw() >> 13 & 0xff) << (32 - kPageShift));
}
// Effective rights of a translation: W and U ANDed down the levels, NX ORed.
struct Rights {
  bool write = true;
  bool user = true;
  bool execute = true;
  bool operator==(const Rights&) const = default;
};

struct WalkStep {
  Level level = 0;
  Gpa slot;  // guest-physical address of the entry
  Pte entry;
  Rights rights;  // effective after this level
};

enum class WalkEnd : std::uint8_t {
  kMapped,         // a present leaf
  kNotPresent,     // an entry with P=0 (none, protnone or swap)
  kReservedBit,    // a reserved bit is set in a present entry
  kNonCanonical,   // no walk took place
  kOutsideMemory,  // a table lies outside guest memory
};

// The walk of one address, top level first.
struct Walk {
  Gva address;
  PagingMode mode = PagingMode::kFourLevel;
  WalkEnd end = WalkEnd::kNotPresent;
  std::array<WalkStep, kMaxLevel> steps{};
  unsigned count = 0;

  [[nodiscard]] const WalkStep& last() const { return steps[count - 1]; }
  [[nodiscard]] bool mapped() const { return end == WalkEnd::kMapped; }
  // Guest-physical address of `address`. Precondition: mapped().
  [[nodiscard]] Gpa physical() const {
    const WalkStep& leaf = last();
    return Gpa(page_frame(leaf.entry, leaf.level, mode)) + (address.raw() & (level_span(leaf.level, mode) - 1));
  }
};

// The four PDPTEs that PAE paging keeps in registers (pdpte.hpp).
using PdpteRegisters = std::array<std::uint64_t, 4>;

// What decides which bits of an entry are reserved.
struct PagingRules {
  unsigned phys_bits = 52;  // MAXPHYADDR
  bool nxe = true;          // EFER.NXE
  bool huge_1g = true;      // CPUID.80000001H:EDX.Page1GB
  // AMD APM vol. 2, "Long-Mode Page Translation": bit 8 of PML4E and PML5E; Intel ignores it.
  bool top_global_reserved = false;
  // Of 32-bit paging: CR4.PSE, without which PS means nothing, and CPUID.01H:EDX.PSE-36.
  bool pse = true, pse36 = true;
  // Of PAE paging: what MOV to CR3 loaded. Non-owning; null: the PDPTEs as they are in memory.
  const PdpteRegisters* pdptes = nullptr;
};

// Bits of a present entry at `level` that must be zero (SDM, "Reserved bits").
std::uint64_t reserved_bits(Pte entry, Level level, const PagingRules& rules, PagingMode mode = PagingMode::kFourLevel);
inline std::uint64_t reserved_bits(Pte entry, Level level, unsigned phys_bits) {
  return reserved_bits(entry, level, PagingRules{.phys_bits = phys_bits});
}

// True when a present entry of `level` maps a page.
constexpr bool maps_page(Pte entry, Level level, PagingMode mode, const PagingRules& rules) {
  if (mode == PagingMode::kTwoLevel && level == 2 && !rules.pse) return false;
  return entry.kind(level) == PteKind::kLeaf;
}

// Walks `va` from the table at `root`.
Walk walk(const PhysMemory& memory, Gfn root, PagingMode mode, Gva va, const PagingRules& rules = {});

// The leaf alone, without the record of the way: the slot that maps or would map `va` at
// level 1, or the huge leaf above it. An invalid slot when a table on the way is missing.
struct LeafSlot {
  PteSlot slot;
  Level level = 0;
};
LeafSlot find_leaf(const PhysMemory& memory, Gfn root, PagingMode mode, Gva va);

// Which level and bit deny an access that faulted with `error`: the answer to "why".
struct Blame {
  Level level = 0;       // 0 = nothing in the walk denies it (stale TLB, or fixed meanwhile)
  std::string_view bit;  // "P", "W", "U", "NX", "RSVD", "canonical", "" when level is 0
};
Blame blame(const Walk& walk, ErrorCode error);

}  // namespace faultline::mmu

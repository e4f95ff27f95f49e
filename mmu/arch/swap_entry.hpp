// What an entry holds that is neither empty nor present nor PROT_NONE: a place on swap, a page
// under migration, or a marker. Layout: Linux arch/x86/include/asm/pgtable_64.h.
//
//   63    59 58                    9 8 7 6 5 4  3   2   1  0
//   [ type ][ offset, inverted      ]0 . . . .  E  uffd sd 0
//
// The offset is inverted so that the address bits of a low offset are ones: no cacheable memory
// is there to be read ahead of the fault (L1TF).
#pragma once

#include <cstdint>

#include "mmu/arch/pte.hpp"

namespace faultline::mmu {

class SwapEntry {
 public:
  static constexpr unsigned kTypeBits = 5, kOffsetBits = 50;
  // The types behind those of swap devices, the last one first (Linux include/linux/swap.h, with
  // neither device-private memory nor memory failure).
  static constexpr unsigned kMarker = 31;
  static constexpr unsigned kMigrationWrite = 30, kMigrationReadExclusive = 29, kMigrationRead = 28;
  static constexpr unsigned kMaxSwapfiles = 28;

  // What the offset of a marker says (PTE_MARKER_*).
  static constexpr std::uint64_t kMarkerUffdWp = 1, kMarkerPoisoned = 2, kMarkerGuard = 4;

  // Flags of the entry itself.
  static constexpr std::uint64_t kSoftDirty = 1ULL << 1, kUffdWp = 1ULL << 2, kExclusive = 1ULL << 3;

  constexpr SwapEntry(unsigned type, std::uint64_t offset) : type_(type), offset_(offset) {}
  // Precondition: `entry` is not present, not none and not PROT_NONE.
  constexpr explicit SwapEntry(Pte entry)
      : type_(static_cast<unsigned>(entry.raw() >> kTypeShift)), offset_(~entry.raw() << kTypeBits >> kOffsetShift) {}

  [[nodiscard]] constexpr unsigned type() const { return type_; }
  [[nodiscard]] constexpr std::uint64_t offset() const { return offset_; }
  [[nodiscard]] constexpr bool marker() const { return type_ == kMarker; }
  [[nodiscard]] constexpr bool migration() const { return type_ >= kMigrationRead && type_ <= kMigrationWrite; }
  [[nodiscard]] constexpr bool guard() const { return marker() && (offset_ & kMarkerGuard) != 0; }
  [[nodiscard]] constexpr Pte pte() const {
    return Pte(~offset_ << kOffsetShift >> kTypeBits | std::uint64_t{type_} << kTypeShift);
  }
  // Type and offset as /proc/PID/pagemap shows them in bits 0 to 54.
  [[nodiscard]] constexpr std::uint64_t pagemap() const { return type_ | offset_ << kTypeBits; }
  constexpr bool operator==(const SwapEntry&) const = default;

 private:
  static constexpr unsigned kTypeShift = 64 - kTypeBits;
  static constexpr unsigned kOffsetShift = 9 + kTypeBits;
  unsigned type_;
  std::uint64_t offset_;
};

// The entry of a page that MADV_GUARD_INSTALL took away.
inline constexpr Pte kGuardEntry = SwapEntry(SwapEntry::kMarker, SwapEntry::kMarkerGuard).pte();

}  // namespace faultline::mmu

// A paging-structure entry as a 64-bit value with named masks. SDM vol. 3A, "4-Level Paging
// and 5-Level Paging", tables "Format of a ... Entry". Software bits and the layout of a
// not-present PROT_NONE entry are Linux's (arch/x86/include/asm/pgtable_types.h).
// Only PteSlot (pgtable/slot.hpp) loads or stores one in guest memory.
#pragma once

#include <cstdint>
#include <string>

#include "mmu/arch/paging_mode.hpp"
#include "mmu/base/address.hpp"

namespace faultline::mmu {

// What an entry is, exhaustively. A switch over it has no default.
enum class PteKind : std::uint8_t {
  kNone,       // all zero
  kTable,      // present, points to the next table
  kLeaf,       // present, maps a page (level 1, or PS at level 2 or 3)
  kProtNone,   // P=0, G=1: a resident page that nobody may access (Linux _PAGE_PROTNONE)
  kSwap,       // not present, a place on swap
  kMigration,  // not present, its page is being moved (swap_entry.hpp)
  kMarker,     // not present, no page at all, but something to remember: a guard, poison
};

class Pte {
 public:
  static constexpr std::uint64_t kPresent = 1ULL << 0;
  static constexpr std::uint64_t kWrite = 1ULL << 1;
  static constexpr std::uint64_t kUser = 1ULL << 2;
  static constexpr std::uint64_t kPwt = 1ULL << 3;
  static constexpr std::uint64_t kPcd = 1ULL << 4;
  static constexpr std::uint64_t kAccessed = 1ULL << 5;
  static constexpr std::uint64_t kDirty = 1ULL << 6;
  static constexpr std::uint64_t kPageSizeBit = 1ULL << 7;  // PS at levels 2 and 3; PAT at level 1
  static constexpr std::uint64_t kGlobal = 1ULL << 8;
  static constexpr std::uint64_t kProtNone = 1ULL << 8;  // meaning of bit 8 while P=0
  static constexpr std::uint64_t kSpecial = 1ULL << 9;   // Linux _PAGE_SPECIAL: no frame to count (zero page)
  static constexpr std::uint64_t kUffdWp = 1ULL << 10;
  static constexpr std::uint64_t kSoftDirty = 1ULL << 11;
  static constexpr std::uint64_t kPatHuge = 1ULL << 12;     // PAT of a huge leaf: not an address bit
  static constexpr std::uint64_t kSavedDirty = 1ULL << 58;  // Linux _PAGE_SAVED_DIRTY, 6.6
  static constexpr unsigned kPkeyShift = 59;                // protection key, 4 bits, CR4.PKE
  static constexpr std::uint64_t kPkeyMask = 0xfULL << kPkeyShift;
  static constexpr std::uint64_t kNoExecute = 1ULL << 63;
  // Bits 51:12. Which of them exist is MAXPHYADDR's business; the walker takes it as a parameter.
  static constexpr std::uint64_t kAddressMask = 0x000f'ffff'ffff'f000ULL;
  // A table entry as Linux writes it (_PAGE_TABLE): P RW U A D.
  static constexpr std::uint64_t kTableFlags = kPresent | kWrite | kUser | kAccessed | kDirty;
  // The same without U: the supervisor half (_KERNPG_TABLE).
  static constexpr std::uint64_t kKernelTableFlags = kPresent | kWrite | kAccessed | kDirty;

  constexpr Pte() = default;
  constexpr explicit Pte(std::uint64_t bits) : bits_(bits) {}
  // An entry for the frame with the given flag bits. PROT_NONE flags invert it (see frame()).
  static constexpr Pte make(Gfn frame, std::uint64_t flags) {
    const bool inverted = (flags & (kPresent | kProtNone)) == kProtNone;
    const std::uint64_t address = Gpa(frame).raw();
    return Pte((inverted ? ~address & kAddressMask : address) | flags);
  }

  [[nodiscard]] constexpr std::uint64_t raw() const { return bits_; }
  [[nodiscard]] constexpr bool none() const { return bits_ == 0; }
  [[nodiscard]] constexpr bool has(std::uint64_t mask) const { return (bits_ & mask) == mask; }
  [[nodiscard]] constexpr bool present() const { return has(kPresent); }
  [[nodiscard]] constexpr bool writable() const { return has(kWrite); }
  [[nodiscard]] constexpr bool user() const { return has(kUser); }
  [[nodiscard]] constexpr bool accessed() const { return has(kAccessed); }
  [[nodiscard]] constexpr bool dirty() const { return has(kDirty); }
  [[nodiscard]] constexpr bool no_execute() const { return has(kNoExecute); }
  [[nodiscard]] constexpr bool special() const { return has(kSpecial); }
  // Bits 62:59 of a leaf. SDM vol. 3A, "Protection Keys".
  [[nodiscard]] constexpr unsigned protection_key() const { return static_cast<unsigned>(bits_ >> 59) & 15; }
  [[nodiscard]] constexpr Pte with(std::uint64_t mask) const { return Pte(bits_ | mask); }
  [[nodiscard]] constexpr Pte without(std::uint64_t mask) const { return Pte(bits_ & ~mask); }
  constexpr bool operator==(const Pte&) const = default;

  [[nodiscard]] constexpr PteKind kind(Level level) const {
    if (none()) return PteKind::kNone;
    if (present()) {
      const bool leaf = level == 1 || ((level == 2 || level == 3) && has(kPageSizeBit));
      return leaf ? PteKind::kLeaf : PteKind::kTable;
    }
    if (has(kProtNone)) return PteKind::kProtNone;
    const std::uint64_t type = bits_ >> 59;  // see swap_entry.hpp
    if (type == 31) return PteKind::kMarker;
    return type >= 28 ? PteKind::kMigration : PteKind::kSwap;
  }

  // The frame of a table or leaf. A PROT_NONE entry holds it inverted (Linux
  // flip_protnone_guard, against L1TF). Huge leaves drop PAT and the bits below their size.
  [[nodiscard]] constexpr Gfn frame(Level level = 1) const {
    std::uint64_t address = bits_ & kAddressMask;
    if (!present() && has(kProtNone)) address = ~bits_ & kAddressMask;
    if (kind(level) == PteKind::kLeaf) address &= ~(level_span(level) - 1);
    return Gfn(address >> kPageShift);
  }
  // True when the entry holds a page of memory, accessible or not.
  [[nodiscard]] constexpr bool maps_frame(Level level) const {
    const PteKind k = kind(level);
    return k == PteKind::kLeaf || k == PteKind::kProtNone;
  }
  // The same page and A/D history with the protection bits of `prot` (Linux pte_modify).
  [[nodiscard]] constexpr Pte with_protection(std::uint64_t prot) const;

  // "0x8000000012345067 [P W U A D NX] frame 0x12345"; "none" for zero.
  [[nodiscard]] std::string describe(Level level) const;
  // The set flags by name, space separated.
  [[nodiscard]] std::string flag_names(Level level) const;

 private:
  std::uint64_t bits_ = 0;
};

// What mprotect may not touch: the frame, A, D, special and the software bits.
inline constexpr std::uint64_t kPteProtectionKept = Pte::kAddressMask | Pte::kAccessed | Pte::kDirty | Pte::kSpecial |
                                                    Pte::kUffdWp | Pte::kSoftDirty | Pte::kPcd | Pte::kPwt;

constexpr Pte Pte::with_protection(std::uint64_t prot) const {
  // Work on the upright frame number, then invert again where the result wants it.
  const std::uint64_t address = Gpa(frame(1)).raw();
  const std::uint64_t kept = (bits_ & kPteProtectionKept & ~kAddressMask);
  std::uint64_t bits = kept | (prot & ~kAddressMask);
  const bool inverted = (prot & kPresent) == 0 && (prot & kProtNone) != 0;
  bits |= inverted ? (~address & kAddressMask) : address;
  return Pte(bits);
}

}  // namespace faultline::mmu

// Entries of 4 bytes (SDM vol. 3A, "32-Bit Paging") as the 64-bit values that all else works with.
//
// What is present keeps its 32 bits, and has no NX, no protection key and no bits above. PROT_NONE
// entries hold their frame inverted, so ones are put above it. Other entries that are not present
// have too much to say for 32 bits; they are packed, as Linux does (pgtable-2level.h), by a layout
// of our own:
//
//   31                  10  9   8  7     4  3   2   1  0
//   [ offset, inverted   ] t4   0 [ t3-t0 ] E  uffd sd 0
#pragma once

#include <cstdint>

#include "mmu/arch/swap_entry.hpp"
#include "mmu/base/check.hpp"

namespace faultline::mmu {

inline constexpr unsigned kNarrowOffsetBits = 22;  // of a swap entry's offset

// Precondition: a frame below 4 GiB; an offset that has room.
constexpr std::uint32_t narrow(Pte entry) {
  if (entry.none() || entry.present() || entry.has(Pte::kProtNone)) {
    FL_CHECK(entry.none() || entry.frame(1).raw() >> 20 == 0);
    return static_cast<std::uint32_t>(entry.raw());
  }
  const SwapEntry swap(entry);
  FL_CHECK(swap.offset() >> kNarrowOffsetBits == 0);
  const auto offset = static_cast<std::uint32_t>(~swap.offset()) << 10;
  const std::uint32_t flags = static_cast<std::uint32_t>(entry.raw()) & 0xe;
  const std::uint32_t packed = offset | (swap.type() & 16) << 5 | (swap.type() & 15) << 4 | flags;
  FL_CHECK(packed != 0);
  return packed;
}

constexpr Pte widen(std::uint32_t bits) {
  const Pte as_is(bits);
  if (as_is.none() || as_is.present()) return as_is;
  if (as_is.has(Pte::kProtNone)) return as_is.with(Pte::kAddressMask & ~std::uint64_t{0xffff'ffff});
  const SwapEntry swap((bits >> 4 & 15) | (bits >> 5 & 16), ~bits >> 10);
  return swap.pte().with(bits & 0xe);
}

}  // namespace faultline::mmu

// The geometry of a page-table format: how many levels are in use and how an address is
// cut into indices. SDM vol. 3A, "Paging": "4-Level Paging and 5-Level Paging".
//
//   level   4-level bits   table   Linux name
//     5     56:48 (LA57)   PML5    pgd when LA57, else folded
//     4     47:39          PML4    p4d when LA57, else pgd
//     3     38:30          PDPT    pud
//     2     29:21          PD      pmd
//     1     20:12          PT      pte
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "mmu/base/address.hpp"

namespace faultline::mmu {

// 1 (page table) to 5 (PML5). The level of an entry is the level of the table that holds it.
using Level = unsigned;
inline constexpr Level kMaxLevel = 5;

enum class PagingMode : std::uint8_t { kFourLevel, kFiveLevel };
inline constexpr std::array kPagingModes = {PagingMode::kFourLevel, PagingMode::kFiveLevel};

constexpr Level levels(PagingMode m) { return m == PagingMode::kFiveLevel ? 5 : 4; }
constexpr std::string_view name(PagingMode m) { return m == PagingMode::kFiveLevel ? "5-level" : "4-level"; }

inline constexpr unsigned kIndexBits = 9;
inline constexpr unsigned kEntriesPerTable = 1U << kIndexBits;

// Bits of address below the part that indexes `level`: 12, 21, 30, 39, 48.
constexpr unsigned level_shift(Level level) { return kPageShift + kIndexBits * (level - 1); }
// Bytes that one entry of `level` spans: 4 KiB, 2 MiB, 1 GiB, 512 GiB, 256 TiB.
constexpr std::uint64_t level_span(Level level) { return std::uint64_t{1} << level_shift(level); }
constexpr unsigned table_index(Gva va, Level level) {
  return static_cast<unsigned>(va.raw() >> level_shift(level)) & (kEntriesPerTable - 1);
}
static_assert(level_shift(1) == 12 && level_shift(2) == 21 && level_shift(3) == 30);
static_assert(level_shift(4) == 39 && level_shift(5) == 48);

// Linear-address width: 48 bits with four levels, 57 with five.
constexpr unsigned linear_bits(PagingMode m) { return level_shift(levels(m)) + kIndexBits; }

// SDM vol. 1, "Canonical Addressing": bits 63 down to the top implemented one are equal.
constexpr bool is_canonical(Gva va, PagingMode m) {
  const unsigned drop = 64 - linear_bits(m);
  return static_cast<std::int64_t>(va.raw() << drop) >> drop == static_cast<std::int64_t>(va.raw());
}

// First address user space may not have: one page short of the lower half
// (Linux TASK_SIZE_MAX: 0x7ffffffff000, or 0xfffffffffff000 with five levels).
constexpr Gva task_size_max(PagingMode m) { return Gva((std::uint64_t{1} << (linear_bits(m) - 1)) - kPageSize); }
static_assert(task_size_max(PagingMode::kFourLevel).raw() == 0x7ffffffff000);
static_assert(task_size_max(PagingMode::kFiveLevel).raw() == 0xfffffffffff000);

// Linux name of a level under a mode: "PGD", "P4D", "PUD", "PMD", "PTE".
constexpr std::string_view linux_level_name(Level level, PagingMode m) {
  if (level == levels(m)) return "PGD";
  switch (level) {
    case 4: return "P4D";
    case 3: return "PUD";
    case 2: return "PMD";
    default: return "PTE";
  }
}
// SDM name of an entry of a level: "PML5E", "PML4E", "PDPTE", "PDE", "PTE".
constexpr std::string_view sdm_entry_name(Level level) {
  constexpr std::array<std::string_view, kMaxLevel> kNames = {"PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
  return kNames.at(level - 1);
}

}  // namespace faultline::mmu

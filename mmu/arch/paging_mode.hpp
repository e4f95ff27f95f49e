// The geometry of a page-table format: how many levels are in use and how an address is
// cut into indices. SDM vol. 3A, "Paging": "32-Bit Paging", "PAE Paging", "4-Level Paging and
// 5-Level Paging".
//
//   level   5-level   4-level   PAE     32-bit   table   Linux name
//     5     56:48                                PML5    pgd when LA57, else folded
//     4     47:39     47:39                      PML4    p4d when LA57, else pgd
//     3     38:30     38:30     31:30            PDPT    pud; pgd of PAE
//     2     29:21     29:21     29:21   31:22    PD      pmd; pgd of 32-bit paging
//     1     20:12     20:12     20:12   21:12    PT      pte
//
// Entries have 8 bytes, those of 32-bit paging 4. The four PDPTEs of PAE paging are registers
// that MOV to CR3 loads from memory (pgtable/pdpte.hpp).
//
// Functions that take a level alone are of the formats with 8 bytes an entry, PAE among them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "mmu/base/address.hpp"

namespace faultline::mmu {

// 1 (page table) to 5 (PML5). The level of an entry is the level of the table that holds it.
using Level = unsigned;
inline constexpr Level kMaxLevel = 5;

enum class PagingMode : std::uint8_t { kFourLevel, kFiveLevel, kTwoLevel, kPae };
// All of them, and those of long mode, in which alone guests of ours run.
inline constexpr std::array kEveryPagingMode = {PagingMode::kTwoLevel, PagingMode::kPae, PagingMode::kFourLevel,
                                                PagingMode::kFiveLevel};
inline constexpr std::array kPagingModes = {PagingMode::kFourLevel, PagingMode::kFiveLevel};

constexpr Level levels(PagingMode m) {
  switch (m) {
    case PagingMode::kTwoLevel: return 2;
    case PagingMode::kPae: return 3;
    case PagingMode::kFourLevel: return 4;
    case PagingMode::kFiveLevel: return 5;
  }
  return 0;
}
constexpr std::string_view name(PagingMode m) {
  switch (m) {
    case PagingMode::kTwoLevel: return "32-bit";
    case PagingMode::kPae: return "PAE";
    case PagingMode::kFourLevel: return "4-level";
    case PagingMode::kFiveLevel: return "5-level";
  }
  return "";
}
constexpr bool long_mode(PagingMode m) { return m == PagingMode::kFourLevel || m == PagingMode::kFiveLevel; }
// Entries have a bit for NX (whether it means anything is EFER.NXE's).
constexpr bool has_nx(PagingMode m) { return m != PagingMode::kTwoLevel; }
// An entry of this level is a PDPTE of PAE paging, with P and an address alone: neither rights, NX nor A.
constexpr bool is_pdpte(Level level, PagingMode m) { return m == PagingMode::kPae && level == 3; }

inline constexpr unsigned kIndexBits = 9;
inline constexpr unsigned kEntriesPerTable = 1U << kIndexBits;

// Bytes of one entry.
constexpr unsigned entry_bytes(PagingMode m) { return m == PagingMode::kTwoLevel ? 4 : 8; }
constexpr unsigned index_bits(Level level, PagingMode m) {
  if (m == PagingMode::kTwoLevel) return 10;
  return is_pdpte(level, m) ? 2 : kIndexBits;
}
constexpr unsigned entries_per_table(Level level, PagingMode m) { return 1U << index_bits(level, m); }

// Bits of address below the part that indexes `level`: 12, 21, 30, 39, 48.
constexpr unsigned level_shift(Level level) { return kPageShift + kIndexBits * (level - 1); }
constexpr unsigned level_shift(Level level, PagingMode m) {
  return kPageShift + (m == PagingMode::kTwoLevel ? 10 : kIndexBits) * (level - 1);
}
// Bytes that one entry of `level` spans: 4 KiB, 2 MiB, 1 GiB, 512 GiB, 256 TiB; 4 KiB and 4 MiB
// with 32-bit paging.
constexpr std::uint64_t level_span(Level level) { return std::uint64_t{1} << level_shift(level); }
constexpr std::uint64_t level_span(Level level, PagingMode m) { return std::uint64_t{1} << level_shift(level, m); }
constexpr unsigned table_index(Gva va, Level level, PagingMode m) {
  return static_cast<unsigned>(va.raw() >> level_shift(level, m)) & (entries_per_table(level, m) - 1);
}
constexpr unsigned table_index(Gva va, Level level) { return table_index(va, level, PagingMode::kFourLevel); }
static_assert(level_shift(1) == 12 && level_shift(2) == 21 && level_shift(3) == 30);
static_assert(level_shift(4) == 39 && level_shift(5) == 48);

// Linear-address width: 32 bits, 48 with four levels, 57 with five.
constexpr unsigned linear_bits(PagingMode m) { return long_mode(m) ? level_shift(levels(m)) + kIndexBits : 32; }

// SDM vol. 1, "Canonical Addressing": bits 63 down to the top implemented one are equal. Outside
// long mode: there is nothing above 4 GiB.
constexpr bool is_canonical(Gva va, PagingMode m) {
  if (!long_mode(m)) return va.raw() >> 32 == 0;
  const unsigned drop = 64 - linear_bits(m);
  return static_cast<std::int64_t>(va.raw() << drop) >> drop == static_cast<std::int64_t>(va.raw());
}

// First address user space may not have: one page short of the lower half
// (Linux TASK_SIZE_MAX: 0x7ffffffff000, or 0xfffffffffff000 with five levels), 3 GiB without long
// mode (PAGE_OFFSET as it usually is).
constexpr Gva task_size_max(PagingMode m) {
  if (!long_mode(m)) return Gva(0xc000'0000);
  return Gva((std::uint64_t{1} << (linear_bits(m) - 1)) - kPageSize);
}
static_assert(task_size_max(PagingMode::kFourLevel).raw() == 0x7ffffffff000);
static_assert(task_size_max(PagingMode::kFiveLevel).raw() == 0xfffffffffff000);

// Entries of the top-level table that are user space's; those above are the kernel's.
constexpr unsigned user_entries(PagingMode m) {
  const unsigned all = entries_per_table(levels(m), m);
  return long_mode(m) ? all / 2 : all / 4 * 3;
}
static_assert(user_entries(PagingMode::kTwoLevel) == 768 && user_entries(PagingMode::kPae) == 3);

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

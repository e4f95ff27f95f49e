// Hierarchical translation of one page of linear addresses, in every paging mode. SDM vol. 3A,
// "32-Bit Paging", "PAE Paging", "4-Level Paging and 5-Level Paging"; reserved bits: the tables
// "Format of a ... Entry" and "Page-Fault Exceptions".
//
// The model is an oracle: it shares nothing with mmu/ but the address types. An entry may have
// several values at once, because the processor may hold older ones in its caches; a walk then
// has several results.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "mmu/base/address.hpp"
#include "tests/model/cpu.hpp"

namespace faultline::model {

struct Step {
  unsigned level = 0;  // 1: page table
  Gpa slot;
  std::uint64_t entry = 0;
};

enum class End : std::uint8_t { kMapped, kNotPresent, kReserved, kNoMemory };

// One way in which a page may be translated.
struct Translation {
  End end = End::kMapped;
  std::array<Step, 5> steps{};
  unsigned count = 0;
  // Rights: W and U ANDed down the levels, NX ORed.
  bool write = true, user = true, execute = true;
  bool global = false;
  unsigned key = 0;
  std::uint64_t page_bytes = 4096;
  Gpa physical;  // of the first byte of the 4 KiB page asked for

  [[nodiscard]] const Step& last() const { return steps[count - 1]; }
};

// Guest-physical memory as paging reads it, and what the processor may have cached of it.
class Memory {
 public:
  virtual ~Memory() = default;
  // The entry of `bytes` (4 or 8) bytes at `slot`; nothing where there is no memory.
  [[nodiscard]] virtual std::optional<std::uint64_t> entry(Gpa slot, unsigned bytes) const = 0;
  // Older values of a non-leaf entry that a paging-structure cache may hold.
  [[nodiscard]] virtual std::vector<std::uint64_t> cached_entries(Gpa) const { return {}; }
  // Older translations of a page that a TLB may hold.
  [[nodiscard]] virtual std::vector<Translation> cached_translations(Gva) const { return {}; }
};

// The bits of a present entry that must be zero. `level` 1 to 5.
std::uint64_t reserved_bits(const Cpu& cpu, const Controls& controls, unsigned level, std::uint64_t entry);
// True when a present entry maps a page.
bool maps_page(const Cpu& cpu, const Controls& controls, unsigned level, std::uint64_t entry);
// Bits of address that select an entry of `level`, and bytes of one entry.
unsigned index_shift(Paging paging, unsigned level);
unsigned index_bits(Paging paging, unsigned level);
constexpr unsigned entry_bytes(Paging paging) { return paging == Paging::kTwoLevel ? 4 : 8; }

// All bits above the linear-address width equal (SDM vol. 1, "Canonical Addressing"). Always true
// outside long mode.
bool canonical(Paging paging, Gva address);

// Every way in which the page of `address` may be translated; exactly one when nothing is cached.
// Precondition: canonical.
std::vector<Translation> translations(const Memory& memory, const Cpu& cpu, const Controls& controls, Gva address);

// PAE: what MOV to CR3 loads, or nothing when it raises #GP for a reserved bit.
std::optional<std::array<std::uint64_t, 4>> load_pdptes(const Memory& memory, const Cpu& cpu, Gpa table);

}  // namespace faultline::model

// The exception table of a kernel program: where it goes on when an access of its own cannot be
// made. The section __ex_table holds entries of 12 bytes, each three little-endian 32-bit words:
//
//   0  instruction   signed, relative to the address of this word
//   4  fixup         signed, relative to the address of this word
//   8  kind          bits 7:0, FixupKind; bits 11:8, a register by its number
//
// (Linux struct exception_table_entry; asm/extable_fixup_types.h has far more kinds.)
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "mmu/base/address.hpp"
#include "mmu/base/result.hpp"

namespace faultline::mmu {

enum class FixupKind : std::uint8_t {
  kJump = 1,   // go to the fixup (EX_TYPE_DEFAULT, EX_TYPE_UACCESS)
  kError = 2,  // the same with -EFAULT in the register (EX_TYPE_EFAULT_REG)
  kZero = 3,   // the same with 0 in the register (EX_TYPE_ZERO_REG)
  kTrap = 4,   // the same with the vector in RAX (EX_TYPE_FAULT)
};

struct ExceptionEntry {
  Gva instruction, fixup;
  FixupKind kind = FixupKind::kJump;
  std::uint8_t reg = 0;  // of kError and kZero
};

struct AddressRange {
  Gva start, end;  // [start, end)
  [[nodiscard]] bool contains(Gva a) const { return start <= a && a < end; }
};

class ExceptionTable {
 public:
  static constexpr std::size_t kEntryBytes = 12;

  ExceptionTable() = default;  // no entry
  // `section`: its bytes, loaded at `address`. Sorts it where the linker did not (Linux
  // sort_extable). Errors, one line: not a whole number of entries, an instruction or fixup outside
  // `code`, an unknown kind, two entries for one instruction.
  static Result<ExceptionTable> parse(std::span<const std::byte> section, Gva address,
                                      std::span<const AddressRange> code);

  // Linux search_exception_tables, by binary search.
  [[nodiscard]] const ExceptionEntry* find(Gva ip) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  // False: it had to be sorted.
  [[nodiscard]] bool was_sorted() const { return was_sorted_; }

 private:
  std::vector<ExceptionEntry> entries_;
  bool was_sorted_ = true;
};

}  // namespace faultline::mmu

// One access of a program to linear memory. SDM vol. 3A, "Access Rights".
#pragma once

#include <cstdint>
#include <string_view>

#include "mmu/base/address.hpp"

namespace faultline::model {

// kReadWrite: one instruction reads and writes the operand (ADD, XCHG, BTS).
enum class Kind : std::uint8_t { kRead, kWrite, kReadWrite, kFetch };

struct Access {
  Gva address;
  unsigned bytes = 8;
  Kind kind = Kind::kRead;
  bool user = false;      // made at CPL 3
  bool implicit = false;  // to a descriptor table or TSS: supervisor whatever the CPL
  bool stack = false;     // through SS: non-canonical is #SS rather than #GP
  bool ac = false;        // EFLAGS.AC

  // A user-mode access, as the SDM defines it.
  [[nodiscard]] constexpr bool user_mode() const { return user && !implicit; }
  [[nodiscard]] constexpr bool reads() const { return kind == Kind::kRead || kind == Kind::kReadWrite; }
  [[nodiscard]] constexpr bool writes() const { return kind == Kind::kWrite || kind == Kind::kReadWrite; }
};

std::string_view name(Kind kind);

}  // namespace faultline::model

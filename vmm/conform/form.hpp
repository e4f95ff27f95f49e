// The instructions that make accesses: their bytes, what they touch, and what they do to it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "tests/model/access.hpp"

namespace faultline::vmm::conform {

// Which register holds the address under test.
enum class Setup : std::uint8_t {
  kRdi,       // RSI: a buffer of one's own
  kRsi,       // RDI: a buffer of one's own
  kRsp,       // the stack pointer itself
  kRspAbove,  // the stack pointer lies 8 bytes above it
  kCr3,       // no address: RAX is the root of the tables
  kLdt,       // the local descriptor table lies there; AX selects its first descriptor
};
// What becomes of the operand in memory.
enum class Effect : std::uint8_t {
  kNone,
  kStore,        // RAX, as many bytes as the access has
  kStoreTwice,   // RAX, 8 bytes, at the address and behind it
  kStoreXmm,     // 16 bytes of zero
  kStoreBuffer,  // the first word of the buffer
  kStoreNext,    // the address of the next instruction
  kAdd,
  kIncrement,
  kSetBit4,
  kSetAccessed,  // of a descriptor
};
enum class Who : std::uint8_t { kBoth, kUserOnly, kSupervisorOnly };

struct Touch {
  unsigned offset = 0, bytes = 0;
  model::Kind kind = model::Kind::kRead;
};

struct Form {
  std::string_view name;
  std::string_view text;  // AT&T would do as well; this is Intel's order
  std::array<std::uint8_t, 8> code{};
  std::uint8_t length = 0;
  std::array<Touch, 2> touches{};
  std::uint8_t touch_count = 0;
  Setup setup = Setup::kRdi;
  Effect effect = Effect::kNone;
  std::uint8_t load_bytes = 0;  // of the operand, that RAX has afterwards (4 clears the rest)
  Who who = Who::kBoth;
  bool repeated = false;  // the first touch is complete before the second begins; RCX counts
  bool sse = false;

  [[nodiscard]] bool stack() const { return setup == Setup::kRsp || setup == Setup::kRspAbove; }
  // An access to a descriptor table: a supervisor's at every privilege level.
  [[nodiscard]] constexpr bool implicit() const { return setup == Setup::kLdt; }
  [[nodiscard]] bool fetch() const { return touch_count != 0 && touches[0].kind == model::Kind::kFetch; }
};

std::span<const Form> forms();
// The plain ones, by name: "read8", "write8", "fetch".
inline constexpr unsigned kRead8 = 0, kWrite8 = 1, kFetch = 2;
// Those that run in 32-bit code as well, and those of one section only.
inline constexpr unsigned kRead1 = 3, kRead4 = 5, kWrite2 = 7, kWrite4 = 8, kIncrement4 = 13;
inline constexpr unsigned kLoadCr3 = 36, kLoadSegment = 37, kLoadFreshSegment = 38;
// How many there were when the first sections were numbered: their dimension "instruction" keeps this length.
inline constexpr unsigned kFirstForms = 36;

// What registers hold before the instruction.
inline constexpr std::uint64_t kRaxBefore = 0x1122'3344'5566'7788;
inline constexpr std::uint64_t kRdxBefore = 0x0123'4567'89ab'cdef;
inline constexpr std::uint64_t kRcxBefore = 2;
inline constexpr std::uint64_t kSelector = 7;  // the first descriptor of the local table, RPL 3
// What that descriptor is: flat data of DPL 3, loaded before or not.
inline constexpr std::uint64_t kDescriptorAccessed = 1ULL << 40;
constexpr std::uint64_t descriptor(const Form& form) {
  return 0x00cf'f200'0000'ffff | (form.effect == Effect::kSetAccessed ? 0 : kDescriptorAccessed);
}
inline constexpr std::uint64_t kBufferWord = 0x6b6a'6968'6766'6564;

}  // namespace faultline::vmm::conform

// Where programs live, and the bytes they write.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "mmu/base/address.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

// The windows: nothing of a judge's own is in them, nor in the kMargin bytes around them (what
// there is of the user half). Three have a boundary of table spans in their middle.
struct Window {
  std::string_view name;
  std::uint64_t start, end;
};
inline constexpr std::uint64_t kWindowPages = 64, kMargin = 1ULL << 20;
inline constexpr std::uint64_t kTaskSize = 0x7fff'ffff'f000;
inline constexpr std::array<Window, 5> kWindows{{
    {"512g", 0x2000'0000'0000 - 32 * kPageSize, 0x2000'0000'0000 + 32 * kPageSize},
    {"1g", 0x2100'4000'0000 - 32 * kPageSize, 0x2100'4000'0000 + 32 * kPageSize},
    {"2m", 0x2100'8020'0000 - 32 * kPageSize, 0x2100'8020'0000 + 32 * kPageSize},
    {"top", kTaskSize - 64 * kPageSize, kTaskSize},
    {"low", 0x1'0000, 0x1'0000 + 64 * kPageSize},
}};
[[nodiscard]] constexpr bool in_window(std::uint64_t address) {
  for (const Window& w : kWindows)
    if (address >= w.start - (w.start < kMargin ? w.start : kMargin) && address < w.end + kMargin) return true;
  return false;
}

// Two pages of every process that are its judge's: a judge with a vCPU has the code there that makes the accesses.
// Every other judge knows as well that something is there, as something is below 512g on the host: what looks for the
// area above an address (a stack that might grow) finds it.
inline constexpr std::uint64_t kEngineAt = 0x1000'0000'0000, kEngineEnd = kEngineAt + 2 * kPageSize;
static_assert(!in_window(kEngineAt) && !in_window(kEngineEnd - 1));
[[nodiscard]] constexpr bool in_engine(Gva address) { return address.raw() >= kEngineAt && address.raw() < kEngineEnd; }

// What addresses are counted from. The order is the binary format's: append only.
struct Place {
  std::string_view name;
  std::uint64_t address;
};
inline constexpr std::array<Place, 9> kPlaces{{
    {"512g", 0x2000'0000'0000},
    {"1g", 0x2100'4000'0000},
    {"2m", 0x2100'8020'0000},
    {"top", kTaskSize},
    {"low", 0x1'0000},  // vm.mmap_min_addr, as it usually is
    {"null", 0},
    {"noncanonical", 0x0000'8000'0000'0000},
    {"kernel", 0xffff'8000'0000'0000},
    {"vsyscall", 0xffff'ffff'ff60'0000},
}};
// Places below this have a window around, before or after them.
inline constexpr std::size_t kWindowPlaces = 5;
// `offset` wraps around as the processor's arithmetic does.
[[nodiscard]] constexpr Gva address_of(Address a) {
  return Gva(kPlaces[a.place].address + static_cast<std::uint64_t>(static_cast<std::int64_t>(a.offset)));
}
// How far from its place an address may be: two windows.
inline constexpr std::int32_t kMaxOffset = 2 * 64 * 4096;

inline constexpr std::uint64_t kMaxLength = 96 * kPageSize;
// The only longer ones: more than there is, and what overflows.
inline constexpr std::array<std::uint64_t, 3> kAbsurdLengths{0x8000'0000'0000, 0xffff'ffff'ffff'f000,
                                                             0xffff'ffff'ffff'ffff};

// Bytes. Each byte that a program stores or finds in a file is zero or one of four, so that a
// fetch does something simple wherever it lands: CMC, CLC, STC, CLD alone, one byte each; two
// bytes of zero are ADD [RAX], AL with a RAX that is not canonical; a zero before one of the four
// is an ADD between byte registers.
inline constexpr std::array<std::uint8_t, 4> kBytes{0xf5, 0xf8, 0xf9, 0xfc};
// Byte `i` (0 to 15) of pattern `value`. Patterns 0 to 3 are one byte repeated.
[[nodiscard]] constexpr std::uint8_t pattern_byte(unsigned value, unsigned i) {
  if (value < 4) return kBytes[value];
  std::uint32_t x = value * 0x9e37'79b1U + i * 0x85eb'ca6bU;
  x ^= x >> 15;
  x *= 0x2c1b'3c6dU;
  x ^= x >> 13;
  return kBytes[x >> 7 & 3];
}
// Byte at `offset` of a file as it is at the start.
inline constexpr std::uint64_t kFileBytes = 8 * kPageSize + 0x345;
[[nodiscard]] constexpr std::uint8_t file_byte(FileOperand file, std::uint64_t offset) {
  return pattern_byte(static_cast<unsigned>(64 + 31 * static_cast<unsigned>(file) + (offset >> kPageShift)),
                      static_cast<unsigned>(offset & 15));
}

// Bits of page-table entries that kFlipEntry may toggle: no address bits below bit 46, so that an
// entry still leads to memory that is the guest's, or nowhere; nor bit 9, by which mmu knows that an
// entry has no frame to count.
inline constexpr std::uint64_t kFlippableBits = 0x8008'0000'0000'0c7eULL | 1ULL;

// What the instruction at the address of a fetch does, by its bytes.
enum class FetchEnd : std::uint8_t {
  kStepped,            // #DB after it: RFLAGS.TF was set
  kGeneralProtection,  // #GP: ADD [RAX], AL
  kNeedsNext,          // a lone zero: one more byte is wanted
};
[[nodiscard]] constexpr FetchEnd fetch_end(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return FetchEnd::kNeedsNext;
  if (bytes[0] != 0) return FetchEnd::kStepped;
  if (bytes.size() < 2) return FetchEnd::kNeedsNext;
  return bytes[1] == 0 ? FetchEnd::kGeneralProtection : FetchEnd::kStepped;
}

}  // namespace faultline::vmm::fuzz

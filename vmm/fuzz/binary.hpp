// The binary form of programs (docs/fuzz-language.md): what a corpus and libFuzzer keep.
//
//   0  89 46 4C 50    the magic number: 0x89 "FLP"
//   4  01             version
//   5  u16            how many operations
//   7  ...            each: its number in the table, one byte; then its operands by kind:
//                       address        place, one byte; offset, three bytes, two's complement
//                       length, bytes  three bytes; FF FF FF down: the absurd lengths in their order
//                       all others     one byte
//
// Little-endian. A program has one such form only, and nothing follows it.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

inline constexpr std::array<std::byte, 4> kBinaryMagic{std::byte{0x89}, std::byte{'F'}, std::byte{'L'}, std::byte{'P'}};
inline constexpr std::uint8_t kBinaryVersion = 1;
inline constexpr std::size_t kBinaryHeader = 7;
// Bytes of an operand; the largest program's.
[[nodiscard]] std::size_t binary_size(OperandKind kind);
inline constexpr std::size_t kMaxBinaryBytes = kBinaryHeader + kMaxOperations * (1 + 4 * kMaxOperands);

// Precondition: `program` is legal.
[[nodiscard]] std::vector<std::byte> to_binary(const Program& program);

// The program is legal. Error: one line, "FILE: byte N: what it is, and what is legal".
[[nodiscard]] Result<Program> parse_binary(std::span<const std::byte> bytes, std::string_view file_name);

// Of either form: what begins with the binary one's first byte is that, all else is text.
[[nodiscard]] Result<Program> load_program(const std::string& path);

}  // namespace faultline::vmm::fuzz

// A decoded instruction: what it touches in memory, and where two decoders differ about it.
// Plain data; nothing in it points into a decoder.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "mmu/base/address.hpp"
#include "vmm/decode/fixed_text.hpp"

namespace faultline::vmm::decode {

// SDM vol. 2A, "Instruction Format": never longer than this.
inline constexpr unsigned kMaxInstructionBytes = 15;

enum class DecodeStatus : std::uint8_t {
  kDecoded,
  kTruncated,  // the bytes end before the instruction does
  kInvalid,    // no instruction: the CPU would raise #UD
  kNoBytes,    // not a single byte could be read
};
std::string_view name(DecodeStatus status);

// What an operand does to its bytes. kNone: the address is computed, never accessed (LEA,
// NOP, PREFETCHh, INVLPG), so that it cannot fault.
enum class Access : std::uint8_t { kNone = 0, kRead = 1, kWrite = 2, kReadWrite = 3, kExecute = 4 };
std::string_view name(Access access);
constexpr bool reads(Access a) { return (static_cast<unsigned>(a) & 1U) != 0; }
constexpr bool writes(Access a) { return (static_cast<unsigned>(a) & 2U) != 0; }

enum class OperandRole : std::uint8_t {
  kFetch,     // the instruction's own bytes
  kExplicit,  // written in the instruction
  kImplicit,  // string instructions, XLAT, MASKMOVDQU, MOVDIR64B's destination
  kStack,     // PUSH, POP, CALL, RET, ENTER, LEAVE, IRET
  kProbe,     // ENTER's check that the new stack top is writable
};
std::string_view name(OperandRole role);

// One memory operand. Register and segment names are static, empty where there is none.
struct MemOperand {
  OperandRole role = OperandRole::kExplicit;
  Access access = Access::kNone;
  bool conditional = false;    // a mask, REP count or comparison decides whether it happens
  bool address_known = false;  // false: needs registers that were not supplied
  bool vector_index = false;   // VSIB: Instruction::elements holds the addresses, when known
  // Linear address of the first byte, segment base included. For string instructions that of
  // the element the registers point to now.
  Gva address;
  std::uint32_t width = 0;  // bytes
  // All that the instruction may touch from here on: the whole of a REP, of an XSAVE area. The
  // same as address and width elsewhere.
  Gva extent_start;
  std::uint64_t extent_bytes = 0;
  std::string_view segment, base, index;
  std::uint8_t scale = 0;
  std::int64_t displacement = 0;
  [[nodiscard]] bool rip_relative() const { return base == "rip" || base == "eip"; }
};

// What two decoders can differ in.
enum class CompareField : std::uint8_t {
  kDecodes,  // one of them finds no instruction at all
  kLength,
  kMnemonic,
  kOperandCount,  // memory operands
  kSegment,
  kBase,
  kIndex,
  kScale,
  kDisplacement,
  kWidth,
  kAccess,
};
std::string_view name(CompareField field);

struct Disagreement {
  CompareField field = CompareField::kDecodes;
  std::uint8_t operand = 0;  // which memory operand of those compared, from 0
  FixedText<24> zydis, capstone;
};

enum class TextSource : std::uint8_t { kCapstone, kZydis, kNone };

struct Instruction {
  static constexpr unsigned kMaxOperands = 6;
  static constexpr unsigned kMaxElements = 16;
  static constexpr unsigned kKeptDisagreements = 8;

  DecodeStatus status = DecodeStatus::kNoBytes;
  Gva address;               // of the first byte
  std::uint8_t length = 0;   // 0 unless decoded
  std::uint8_t fetched = 0;  // bytes in `bytes` that are real
  std::array<std::uint8_t, kMaxInstructionBytes> bytes{};
  bool locked = false;         // LOCK prefix, or XCHG with memory
  bool repeated = false;       // REP, REPE or REPNE on a string instruction
  bool cross_checked = false;  // Capstone was asked as well
  std::string_view mnemonic;   // Zydis's, static; empty unless decoded
  TextSource text_source = TextSource::kNone;
  FixedText<120> text;

  // Operand 0 is always the fetch.
  std::array<MemOperand, kMaxOperands> operand_list{};
  std::uint8_t operand_count = 0;
  // Addresses of a gather's or scatter's elements; those whose mask is known to be clear left out.
  std::array<Gva, kMaxElements> element_list{};
  std::uint8_t element_count = 0;

  std::array<Disagreement, kKeptDisagreements> disagreement_list{};
  std::uint8_t disagreement_total = 0;

  [[nodiscard]] std::span<const MemOperand> operands() const { return {operand_list.data(), operand_count}; }
  [[nodiscard]] std::span<const Gva> elements() const { return {element_list.data(), element_count}; }
  [[nodiscard]] std::span<const Disagreement> disagreements() const {
    return {disagreement_list.data(),
            disagreement_total < kKeptDisagreements ? disagreement_total : kKeptDisagreements};
  }
  // The bytes that belong to it: all that could be read when its length is unknown.
  [[nodiscard]] std::span<const std::uint8_t> code() const {
    return {bytes.data(), status == DecodeStatus::kDecoded ? length : fetched};
  }
  // A second decode with RegisterFile::vectors supplied would say more.
  [[nodiscard]] bool needs_vectors() const;

  void add_operand(const MemOperand& operand);
  void add_disagreement(CompareField field, unsigned operand, std::string_view zydis, std::string_view capstone);
};

}  // namespace faultline::vmm::decode

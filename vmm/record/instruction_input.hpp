// What the decoder needs to know of a faulting instruction, and the decoding itself: the live
// record decodes at once, a recording keeps the input and decodes when it is read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "vmm/decode/decoder.hpp"
#include "vmm/record/fault_record.hpp"

namespace faultline::vmm {

struct InstructionInput {
  std::array<std::byte, decode::kMaxInstructionBytes> bytes{};  // at regs.rip
  std::uint8_t count = 0;                                       // of `bytes` that could be read
  UserRegs regs;
  std::optional<std::uint64_t> fs_base, gs_base;  // where the bytes may have the prefix
  std::uint64_t xsave_bytes = 0;                  // see decode::RegisterFile
  std::optional<decode::VectorRegisters> vectors;

  [[nodiscard]] std::span<const std::byte> code() const { return std::span(bytes).first(count); }
  // The prefix is among the bytes: perhaps the instruction's, perhaps one of its operands.
  [[nodiscard]] bool may_use_fs() const;
  [[nodiscard]] bool may_use_gs() const;
  // Somewhere in the bytes a gather or scatter may begin: operands that need vector registers.
  [[nodiscard]] bool may_gather() const;
};

// Sets record.instruction and record.verdict.
void decode_instruction(decode::Decoder& decoder, const InstructionInput& input, FaultRecord& record);

}  // namespace faultline::vmm

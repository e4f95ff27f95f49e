// What Zydis says of one instruction, and register values by Zydis's names. Internal to the
// decoder.
#pragma once

#include <Zydis/Zydis.h>

#include <array>
#include <span>
#include <string_view>

#include "vmm/decode/register_file.hpp"

namespace faultline::vmm::decode {

struct ZydisView {
  ZydisDecodedInstruction instruction;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operand_list;

  [[nodiscard]] std::span<const ZydisDecodedOperand> operands() const {
    return {operand_list.data(), instruction.operand_count};
  }
  [[nodiscard]] bool has(ZydisInstructionAttributes attribute) const {
    return (instruction.attributes & attribute) != 0;
  }
  [[nodiscard]] ZydisMnemonic mnemonic() const { return instruction.mnemonic; }
};

// Static name, empty for ZYDIS_REGISTER_NONE.
std::string_view register_name(ZydisRegister reg);
// Its number within its class; 255 for what has none.
std::size_t register_index(ZydisRegister reg);
// Value of a general or instruction-pointer register, zero-extended from its width. `next_ip` is
// what RIP means in an address. 0 for any other register.
std::uint64_t register_value(ZydisRegister reg, const RegisterFile& regs, std::uint64_t next_ip);
// Base of a segment in 64-bit mode: zero but for FS and GS.
std::uint64_t segment_base(ZydisRegister segment, const RegisterFile& regs);

}  // namespace faultline::vmm::decode

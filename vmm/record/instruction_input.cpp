#include "vmm/record/instruction_input.hpp"

#include <algorithm>

namespace faultline::vmm {

namespace {

constexpr std::byte kFsPrefix{0x64}, kGsPrefix{0x65};
constexpr std::byte kVex3{0xc4}, kEvex{0x62};

bool has_byte(std::span<const std::byte> code, std::byte value) { return std::ranges::find(code, value) != code.end(); }

// Map 0F38 of VEX or EVEX: 90..93 gather, a0..a3 scatter, c6 and c7 their prefetches.
bool gathers(std::span<const std::byte> code, std::size_t prefix, unsigned map_mask, std::size_t opcode_at) {
  if (opcode_at >= code.size()) return false;
  if ((std::to_integer<unsigned>(code[prefix + 1]) & map_mask) != 2) return false;
  const auto opcode = std::to_integer<unsigned>(code[opcode_at]);
  return (opcode & ~3U) == 0x90 || (opcode & ~3U) == 0xa0 || (opcode & ~1U) == 0xc6;
}

}  // namespace

bool InstructionInput::may_use_fs() const { return has_byte(code(), kFsPrefix); }
bool InstructionInput::may_use_gs() const { return has_byte(code(), kGsPrefix); }

// SDM vol. 2A, "Intel AVX Encoding Formats": C4, map in bits 4:0 of the next byte, opcode third
// after the escape; EVEX: 62, map in bits 2:0, opcode fourth.
bool InstructionInput::may_gather() const {
  const auto all = code();
  for (std::size_t at = 0; at + 1 < all.size(); ++at) {
    if (all[at] == kVex3 && gathers(all, at, 0x1f, at + 3)) return true;
    if (all[at] == kEvex && gathers(all, at, 0x07, at + 4)) return true;
  }
  return false;
}

void decode_instruction(decode::Decoder& decoder, const InstructionInput& input, FaultRecord& record) {
  decode::RegisterFile file{.regs = input.regs,
                            .fs_base = input.fs_base.value_or(0),
                            .gs_base = input.gs_base.value_or(0),
                            .xsave_bytes = input.xsave_bytes};
  // Vectors only where they are asked for: what was decoded without them stays as it is.
  record.instruction = decoder.decode(input.code(), file);
  if (record.instruction.needs_vectors() && input.vectors) {
    file.vectors = &*input.vectors;
    record.instruction = decoder.decode(input.code(), file);
  }
  record.verdict = decode::judge(record.instruction, record.address, record.error);
}

}  // namespace faultline::vmm

// Gather and scatter: the addresses of the elements. SDM vol. 1, "VSIB Addressing".
#include <algorithm>
#include <cstring>

#include "vmm/decode/operands.hpp"

namespace faultline::vmm::decode {

namespace {

unsigned index_bits(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_VGATHERQPD:
    case ZYDIS_MNEMONIC_VGATHERQPS:
    case ZYDIS_MNEMONIC_VPGATHERQD:
    case ZYDIS_MNEMONIC_VPGATHERQQ:
    case ZYDIS_MNEMONIC_VPSCATTERQD:
    case ZYDIS_MNEMONIC_VPSCATTERQQ:
    case ZYDIS_MNEMONIC_VSCATTERQPD:
    case ZYDIS_MNEMONIC_VSCATTERQPS: return 64;
    default: return 32;
  }
}

bool is_vector(ZydisRegister reg) {
  const ZydisRegisterClass c = ZydisRegisterGetClass(reg);
  return c == ZYDIS_REGCLASS_XMM || c == ZYDIS_REGCLASS_YMM || c == ZYDIS_REGCLASS_ZMM;
}

// The explicit vector register operands in order: destination and, with VEX, the mask.
struct DataRegisters {
  const ZydisDecodedOperand* data = nullptr;
  const ZydisDecodedOperand* mask = nullptr;
};
DataRegisters data_registers(const ZydisView& view) {
  DataRegisters found;
  for (const ZydisDecodedOperand& o : view.operands()) {
    if (o.type != ZYDIS_OPERAND_TYPE_REGISTER || !is_vector(o.reg.value)) continue;
    if (found.data == nullptr) {
      found.data = &o;
    } else if (view.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
      found.mask = &o;
    }
  }
  return found;
}

std::int64_t signed_element(const std::array<std::byte, 32>& reg, std::size_t element, unsigned bits) {
  if (bits == 64) {
    std::int64_t v = 0;
    std::memcpy(&v, reg.data() + element * 8, sizeof v);
    return v;
  }
  std::int32_t v = 0;
  std::memcpy(&v, reg.data() + element * 4, sizeof v);
  return v;
}

}  // namespace

bool add_elements(Instruction& out, const ZydisView& view, const ZydisDecodedOperand& operand,
                  const RegisterFile& regs) {
  const std::size_t id = register_index(operand.mem.index);
  const bool wide = ZydisRegisterGetClass(operand.mem.index) == ZYDIS_REGCLASS_ZMM;
  const DataRegisters registers = data_registers(view);
  if (regs.vectors == nullptr || wide || id >= regs.vectors->ymm.size() || registers.data == nullptr) return false;

  const unsigned bits = index_bits(view.mnemonic());
  const unsigned data_bits = operand.size;
  const unsigned index_register_bits = ZydisRegisterGetWidth(view.instruction.machine_mode, operand.mem.index);
  if (data_bits == 0) return false;
  const unsigned count = std::min(index_register_bits / bits, registers.data->size / data_bits);
  const std::uint64_t start = register_value(operand.mem.base, regs, out.address.raw() + out.length) +
                              static_cast<std::uint64_t>(operand.mem.disp.value);
  for (unsigned n = 0; n < count && out.element_count < Instruction::kMaxElements; ++n) {
    // VEX: the sign bit of the mask's element says whether it is accessed. The opmask of EVEX is not at
    // hand: every element counts.
    if (registers.mask != nullptr) {
      const std::size_t mask_id = register_index(registers.mask->reg.value);
      if (signed_element(regs.vectors->ymm.at(mask_id), n, data_bits) >= 0) continue;
    }
    const auto index = static_cast<std::uint64_t>(signed_element(regs.vectors->ymm[id], n, bits));
    std::uint64_t effective = start + index * operand.mem.scale;
    if (view.instruction.address_width == 32) effective &= 0xffff'ffffU;
    out.element_list[out.element_count++] = Gva(effective + segment_base(operand.mem.segment, regs));
  }
  return true;
}

}  // namespace faultline::vmm::decode

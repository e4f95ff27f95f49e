#include "vmm/decode/zydis_view.hpp"

namespace faultline::vmm::decode {

std::string_view register_name(ZydisRegister reg) {
  if (reg == ZYDIS_REGISTER_NONE) return {};
  const char* text = ZydisRegisterGetString(reg);
  return text == nullptr ? std::string_view{} : std::string_view(text);
}

std::size_t register_index(ZydisRegister reg) { return static_cast<std::uint8_t>(ZydisRegisterGetId(reg)); }

std::uint64_t register_value(ZydisRegister reg, const RegisterFile& regs, std::uint64_t next_ip) {
  const auto& gpr = regs.regs.gpr;
  const std::size_t index = register_index(reg);
  switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR64: return gpr.at(index);
    case ZYDIS_REGCLASS_GPR32: return gpr.at(index) & 0xffff'ffffU;
    case ZYDIS_REGCLASS_GPR16: return gpr.at(index) & 0xffffU;
    case ZYDIS_REGCLASS_IP: return reg == ZYDIS_REGISTER_RIP ? next_ip : next_ip & 0xffff'ffffU;
    default: return 0;
  }
}

std::uint64_t segment_base(ZydisRegister segment, const RegisterFile& regs) {
  if (segment == ZYDIS_REGISTER_FS) return regs.fs_base;
  if (segment == ZYDIS_REGISTER_GS) return regs.gs_base;
  return 0;
}

}  // namespace faultline::vmm::decode

// Zydis's operands turned into memory accesses with addresses. Internal to the decoder.
#pragma once

#include "vmm/decode/instruction.hpp"
#include "vmm/decode/zydis_view.hpp"

namespace faultline::vmm::decode {

// Adds the operands of `view`, the fetch excepted, to `out`. `out.address` and `out.length` are set.
void add_operands(Instruction& out, const ZydisView& view, const RegisterFile& regs);

// The addresses of a gather's or scatter's elements (vsib.cpp), into `out.element_list`. False
// when they need registers that are not at hand.
bool add_elements(Instruction& out, const ZydisView& view, const ZydisDecodedOperand& operand,
                  const RegisterFile& regs);

}  // namespace faultline::vmm::decode

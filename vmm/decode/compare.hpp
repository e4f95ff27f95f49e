// Compares what Zydis and Capstone say of the same bytes, field by field. Internal to the decoder.
#pragma once

#include <string_view>

#include "vmm/decode/capstone_view.hpp"
#include "vmm/decode/instruction.hpp"
#include "vmm/decode/zydis_view.hpp"

namespace faultline::vmm::decode {

// Adds every disagreement to `out`. What counts as the same although it is written differently:
// mnemonic synonyms (SETE and SETZ), a segment that has no base in 64-bit mode, an index register
// that means none. What Capstone leaves open (size 0, access 0) is not compared.
void compare(Instruction& out, const ZydisView& zydis, const CapstoneEngine& engine, const cs_insn& capstone,
             Syntax syntax);

// Whether two mnemonics name the same instruction.
bool same_mnemonic(std::string_view zydis, std::string_view capstone);

}  // namespace faultline::vmm::decode

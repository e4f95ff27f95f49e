#include "vmm/decode/instruction.hpp"

#include <limits>

namespace faultline::vmm::decode {

std::string_view name(DecodeStatus status) {
  switch (status) {
    case DecodeStatus::kDecoded: return "decoded";
    case DecodeStatus::kTruncated: return "truncated";
    case DecodeStatus::kInvalid: return "invalid";
    case DecodeStatus::kNoBytes: return "no-bytes";
  }
  return {};
}

std::string_view name(Access access) {
  switch (access) {
    case Access::kNone: return "none";
    case Access::kRead: return "read";
    case Access::kWrite: return "write";
    case Access::kReadWrite: return "read-write";
    case Access::kExecute: return "execute";
  }
  return {};
}

std::string_view name(OperandRole role) {
  switch (role) {
    case OperandRole::kFetch: return "fetch";
    case OperandRole::kExplicit: return "explicit";
    case OperandRole::kImplicit: return "implicit";
    case OperandRole::kStack: return "stack";
    case OperandRole::kProbe: return "probe";
  }
  return {};
}

std::string_view name(CompareField field) {
  switch (field) {
    case CompareField::kDecodes: return "decodes";
    case CompareField::kLength: return "length";
    case CompareField::kMnemonic: return "mnemonic";
    case CompareField::kOperandCount: return "operand-count";
    case CompareField::kSegment: return "segment";
    case CompareField::kBase: return "base";
    case CompareField::kIndex: return "index";
    case CompareField::kScale: return "scale";
    case CompareField::kDisplacement: return "displacement";
    case CompareField::kWidth: return "width";
    case CompareField::kAccess: return "access";
  }
  return {};
}

bool Instruction::needs_vectors() const {
  for (const MemOperand& o : operands())
    if (o.vector_index && !o.address_known && o.access != Access::kNone) return true;
  return false;
}

void Instruction::add_operand(const MemOperand& operand) {
  if (operand_count < kMaxOperands) operand_list[operand_count++] = operand;
}

void Instruction::add_disagreement(CompareField field, unsigned operand, std::string_view zydis,
                                   std::string_view capstone) {
  if (disagreement_total < kKeptDisagreements) {
    Disagreement& d = disagreement_list[disagreement_total];
    d.field = field;
    d.operand = static_cast<std::uint8_t>(operand);
    d.zydis.assign(zydis);
    d.capstone.assign(capstone);
  }
  if (disagreement_total < std::numeric_limits<std::uint8_t>::max()) ++disagreement_total;
}

}  // namespace faultline::vmm::decode

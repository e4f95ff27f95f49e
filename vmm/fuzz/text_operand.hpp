// The text of single operands, by kind; the lines around them are text.hpp's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

// Total: a value that `kind` does not have is printed as a number, which is refused when parsed.
[[nodiscard]] std::string operand_text(OperandKind kind, std::int64_t value);
// Error: what is legal there, in words.
[[nodiscard]] Result<std::int64_t> parse_operand(OperandKind kind, std::string_view text);
// What is legal, in words: "a width: 1, 2, 4, 8 or 16".
[[nodiscard]] std::string_view legal_operands(OperandKind kind);
// Its name in the documents: "ADDRESS", "WIDTH".
[[nodiscard]] std::string_view operand_name(OperandKind kind);

}  // namespace faultline::vmm::fuzz

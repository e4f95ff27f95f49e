// The text form of programs (docs/fuzz-language.md): a line an operation, for people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

// The first line, with the version of the form.
inline constexpr std::string_view kTextHeader = "faultline-fuzz 1";
// Of a file and of a line: what is longer is refused. Bytes.
inline constexpr std::size_t kMaxTextBytes = 256 << 10, kMaxLineBytes = 1 << 10;

// parse_text() of it is the same program, if that is legal.
[[nodiscard]] std::string to_text(const Program& program);
// One line, without its end.
[[nodiscard]] std::string to_text(const Operation& operation);

// The program is legal. Error: one line, "FILE:LINE:COLUMN: what it is, and what is legal";
// lines and columns (of bytes) count from 1.
[[nodiscard]] Result<Program> parse_text(std::string_view text, std::string_view file_name);

}  // namespace faultline::vmm::fuzz

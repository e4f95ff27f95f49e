// Shared by the decoder's tests: registers with tell-tale values, and operands as short text.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/decode/decoder.hpp"

namespace faultline::vmm::decode {

inline RegisterFile test_registers() {
  RegisterFile f;
  f.regs.gpr = {0x10000, 3,       0x20000, 0x30000, 0x7ffe0000, 0x7ffe1000,         0x50000, 0x60000, 0x80000,
                0x90000, 0xa0000, 0xb0000, ~0ULL,   0xd0000,    0x1234567800000000, 0xf0000};
  f.regs.rip = 0x401000;
  f.fs_base = 0x7f0000000000;
  f.gs_base = 0x7e0000000000;
  f.xsave_bytes = 2696;
  return f;
}

// "8b 00" as bytes.
inline std::vector<std::byte> bytes_of(std::string_view hex) {
  std::vector<std::byte> out;
  for (std::size_t at = 0; at + 1 < hex.size(); at += hex[at] == ' ' ? 1 : 2) {
    if (hex[at] == ' ') continue;
    out.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(at, 2)), nullptr, 16)));
  }
  return out;
}

// One operand: access, address, width; then s stack, i implicit, p probe, ? conditional; then
// what it may touch in all where that is more: "w:60000+8i[60000+24]".
inline std::string short_text(const MemOperand& o) {
  std::string s;
  if (o.access == Access::kNone) s += '-';
  if (reads(o.access)) s += 'r';
  if (writes(o.access)) s += 'w';
  if (o.access == Access::kExecute) s += 'x';
  s += o.address_known ? fmt::format(":{:x}+{}", o.address.raw(), o.width) : fmt::format(":?+{}", o.width);
  if (o.role == OperandRole::kStack) s += 's';
  if (o.role == OperandRole::kImplicit) s += 'i';
  if (o.role == OperandRole::kProbe) s += 'p';
  if (o.conditional) s += '?';
  if (o.address_known && (o.extent_start != o.address || o.extent_bytes != o.width))
    s += fmt::format("[{:x}+{}]", o.extent_start.raw(), o.extent_bytes);
  return s;
}

// All operands but the fetch, then "lock" and "rep".
inline std::string short_text(const Instruction& i) {
  std::string s;
  const auto add = [&s](const std::string& word) { s += (s.empty() ? "" : " ") + word; };
  for (std::size_t n = 1; n < i.operands().size(); ++n) add(short_text(i.operands()[n]));
  if (i.locked) add("lock");
  if (i.repeated) add("rep");
  return s;
}

}  // namespace faultline::vmm::decode

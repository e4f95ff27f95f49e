// The registers as GDB has them: which there are, in which order they travel, and how they are
// written as a target description. GDB manual, "Target Descriptions", "i386 Features": core, sse,
// linux and segments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/port/vcpu.hpp"

namespace faultline::vmm::gdb {

inline constexpr unsigned kRegisters = 60;
inline constexpr unsigned kRip = 16;

// All that GDB sees of a CPU.
struct CpuState {
  UserRegs regs;
  SegmentBases bases;
  std::vector<std::byte> xsave;  // standard format; at least its legacy region and header
};

// What a write of a register changed, so that no more than that is put back.
struct Changed {
  bool regs = false, bases = false, xsave = false;
};

// The value of register `number` in hexadecimal, lowest byte first. Empty: there is none of that number.
std::string register_hex(const CpuState& state, unsigned number);
// All of them, in order.
std::string all_registers_hex(const CpuState& state);
// Sets one. False: no such number, or not as many bytes as it has. What user code cannot set
// (segment selectors, orig_rax) is taken and dropped.
bool set_register(CpuState& state, unsigned number, std::span<const std::byte> value, Changed& changed);
// All that `bytes` has, from the first on. False as above.
bool set_all_registers(CpuState& state, std::span<const std::byte> bytes, Changed& changed);

// target.xml.
const std::string& target_description();

}  // namespace faultline::vmm::gdb

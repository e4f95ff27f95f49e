// The registers that operand addresses are computed from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "vmm/port/vcpu.hpp"

namespace faultline::vmm::decode {

// XMM0..15 or YMM0..15. Only the index of a gather or scatter needs them.
struct VectorRegisters {
  std::array<std::array<std::byte, 32>, 16> ymm{};
};

struct RegisterFile {
  UserRegs regs;  // rip is the instruction's
  std::uint64_t fs_base = 0, gs_base = 0;
  // Null: not at hand. Operands that need them have no known address then.
  const VectorRegisters* vectors = nullptr;
  // Bytes of an XSAVE area with every component in force (CPUID leaf 0xd); 0: unknown.
  std::uint64_t xsave_bytes = 0;
};

// XMM and YMM out of an XSAVE area in the standard format. SDM vol. 1, "Legacy Region of an
// XSAVE Area" and "Extended Region": XMM at 160, upper halves of YMM at 576, a component whose
// XSTATE_BV bit is clear is zero. Nothing when the area is too short for what it claims.
std::optional<VectorRegisters> vectors_from_xsave(std::span<const std::byte> area);

}  // namespace faultline::vmm::decode

// What Capstone says of one instruction. Internal to the decoder.
#pragma once

#include <capstone/capstone.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "mmu/base/result.hpp"
#include "vmm/decode/decoder.hpp"

namespace faultline::vmm::decode {

// Owns the engine and the one instruction buffer that every decode reuses.
class CapstoneEngine {
 public:
  static Result<CapstoneEngine> create(Syntax syntax);
  ~CapstoneEngine();
  CapstoneEngine(CapstoneEngine&& other) noexcept;
  CapstoneEngine& operator=(CapstoneEngine&&) = delete;

  // The instruction, valid until the next call; null when there is none.
  const cs_insn* decode(std::span<const std::uint8_t> bytes, std::uint64_t address);

  // Name of a register or of an instruction; empty for none.
  [[nodiscard]] std::string_view register_name(unsigned reg) const;
  [[nodiscard]] std::string_view instruction_name(unsigned id) const;

 private:
  CapstoneEngine(csh handle, cs_insn* insn) : handle_(handle), insn_(insn) {}
  csh handle_;
  cs_insn* insn_;
};

}  // namespace faultline::vmm::decode

// Decodes one instruction with Zydis (operands and their addresses) and, independently, with
// Capstone (text and cross-check). Keep one per thread and reuse it for every fault.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "mmu/base/result.hpp"
#include "vmm/decode/instruction.hpp"
#include "vmm/decode/register_file.hpp"

namespace faultline::vmm::decode {

enum class Syntax : std::uint8_t { kIntel, kAtt };
enum class CrossCheck : std::uint8_t {
  kOff,  // Zydis alone: operands without text or comparison; never allocates
  kOn,
};

struct DecoderOptions {
  Syntax syntax = Syntax::kIntel;
  CrossCheck cross_check = CrossCheck::kOn;
};

class Decoder {
 public:
  // Error: one of the libraries cannot be initialised (version or memory).
  static Result<Decoder> create(const DecoderOptions& options = {});
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  // Decodes the 64-bit instruction at regs.regs.rip. `bytes`: what could be read there; fewer than
  // the instruction has is a normal case, more than 15 are ignored. Does not fail: see
  // Instruction::status.
  [[nodiscard]] Instruction decode(std::span<const std::byte> bytes, const RegisterFile& regs);

 private:
  struct State;
  explicit Decoder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace faultline::vmm::decode

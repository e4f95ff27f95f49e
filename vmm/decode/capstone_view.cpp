#include "vmm/decode/capstone_view.hpp"

#include <utility>

namespace faultline::vmm::decode {

Result<CapstoneEngine> CapstoneEngine::create(Syntax syntax) {
  csh handle = 0;
  if (const cs_err error = cs_open(CS_ARCH_X86, CS_MODE_64, &handle); error != CS_ERR_OK)
    return fail(std::string("cannot initialise Capstone: ") + cs_strerror(error));
  cs_err error = cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
  if (error == CS_ERR_OK && syntax == Syntax::kAtt) error = cs_option(handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
  cs_insn* insn = error == CS_ERR_OK ? cs_malloc(handle) : nullptr;
  if (insn == nullptr) {
    cs_close(&handle);
    return fail("cannot initialise Capstone: " + std::string(error == CS_ERR_OK ? "no memory" : cs_strerror(error)));
  }
  return CapstoneEngine(handle, insn);
}

CapstoneEngine::CapstoneEngine(CapstoneEngine&& other) noexcept
    : handle_(std::exchange(other.handle_, 0)), insn_(std::exchange(other.insn_, nullptr)) {}

CapstoneEngine::~CapstoneEngine() {
  if (insn_ != nullptr) cs_free(insn_, 1);
  if (handle_ != 0) cs_close(&handle_);
}

const cs_insn* CapstoneEngine::decode(std::span<const std::uint8_t> bytes, std::uint64_t address) {
  const std::uint8_t* code = bytes.data();
  std::size_t left = bytes.size();
  return cs_disasm_iter(handle_, &code, &left, &address, insn_) ? insn_ : nullptr;
}

std::string_view CapstoneEngine::register_name(unsigned reg) const {
  const char* text = reg == X86_REG_INVALID ? nullptr : cs_reg_name(handle_, reg);
  return text == nullptr ? std::string_view{} : std::string_view(text);
}

std::string_view CapstoneEngine::instruction_name(unsigned id) const {
  const char* text = cs_insn_name(handle_, id);
  return text == nullptr ? std::string_view{} : std::string_view(text);
}

}  // namespace faultline::vmm::decode

#include "vmm/decode/decoder.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "vmm/decode/capstone_view.hpp"
#include "vmm/decode/compare.hpp"
#include "vmm/decode/operands.hpp"

namespace faultline::vmm::decode {

struct Decoder::State {
  DecoderOptions options;
  ZydisDecoder zydis;
  ZydisFormatter formatter;  // for what Capstone does not know
  std::optional<CapstoneEngine> capstone;
  ZydisView view;  // scratch, reused
};

Result<Decoder> Decoder::create(const DecoderOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  const auto style = options.syntax == Syntax::kAtt ? ZYDIS_FORMATTER_STYLE_ATT : ZYDIS_FORMATTER_STYLE_INTEL;
  if (ZYAN_FAILED(ZydisDecoderInit(&state->zydis, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
      ZYAN_FAILED(ZydisFormatterInit(&state->formatter, style)))
    return fail("cannot initialise Zydis: the library does not fit the headers it was built with");
  if (options.cross_check == CrossCheck::kOn) {
    Result<CapstoneEngine> engine = CapstoneEngine::create(options.syntax);
    if (!engine) return tl::unexpected(engine.error());
    state->capstone.emplace(std::move(*engine));
  }
  return Decoder(std::move(state));
}

Decoder::Decoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

namespace {

DecodeStatus status_of(ZyanStatus status, std::size_t bytes) {
  if (ZYAN_SUCCESS(status)) return DecodeStatus::kDecoded;
  if (bytes == 0) return DecodeStatus::kNoBytes;
  return status == ZYDIS_STATUS_NO_MORE_DATA && bytes < kMaxInstructionBytes ? DecodeStatus::kTruncated
                                                                             : DecodeStatus::kInvalid;
}

// The fetch: of unknown length it may reach as far as an instruction can.
MemOperand fetch_operand(const Instruction& i) {
  MemOperand m;
  m.role = OperandRole::kFetch;
  m.access = Access::kExecute;
  m.address_known = true;
  m.address = m.extent_start = i.address;
  m.width = i.status == DecodeStatus::kDecoded ? i.length : kMaxInstructionBytes;
  m.extent_bytes = m.width;
  m.segment = "cs";
  m.base = "rip";
  return m;
}

void set_capstone_text(Instruction& out, const cs_insn& insn) {
  char text[sizeof insn.mnemonic + sizeof insn.op_str + 1];
  std::size_t n = std::strlen(insn.mnemonic);
  std::memcpy(text, insn.mnemonic, n);
  if (insn.op_str[0] != '\0') {
    text[n++] = ' ';
    const std::size_t operands = std::strlen(insn.op_str);
    std::memcpy(text + n, insn.op_str, operands);
    n += operands;
  }
  out.text.assign({text, n});
  out.text_source = TextSource::kCapstone;
}

void set_zydis_text(Instruction& out, const ZydisFormatter& formatter, const ZydisView& view) {
  char text[160];
  if (ZYAN_FAILED(ZydisFormatterFormatInstruction(&formatter, &view.instruction, view.operand_list.data(),
                                                  view.instruction.operand_count_visible, text, sizeof text,
                                                  out.address.raw(), nullptr)))
    return;
  out.text.assign(text);
  out.text_source = TextSource::kZydis;
}

}  // namespace

Instruction Decoder::decode(std::span<const std::byte> bytes, const RegisterFile& regs) {
  Instruction out;
  State& s = *state_;
  out.address = Gva(regs.regs.rip);
  out.fetched = static_cast<std::uint8_t>(std::min<std::size_t>(bytes.size(), kMaxInstructionBytes));
  if (out.fetched != 0) std::memcpy(out.bytes.data(), bytes.data(), out.fetched);

  const ZyanStatus status =
      ZydisDecoderDecodeFull(&s.zydis, out.bytes.data(), out.fetched, &s.view.instruction, s.view.operand_list.data());
  out.status = status_of(status, out.fetched);
  const bool decoded = out.status == DecodeStatus::kDecoded;
  if (decoded) {
    out.length = s.view.instruction.length;
    out.mnemonic = ZydisMnemonicGetString(s.view.mnemonic());
  }
  out.add_operand(fetch_operand(out));
  if (decoded) add_operands(out, s.view, regs);
  if (!s.capstone || out.fetched == 0) return out;

  out.cross_checked = true;
  const cs_insn* insn = s.capstone->decode({out.bytes.data(), out.fetched}, out.address.raw());
  if (insn != nullptr) set_capstone_text(out, *insn);
  if (insn == nullptr && decoded) {
    set_zydis_text(out, s.formatter, s.view);
    out.add_disagreement(CompareField::kDecodes, 0, out.mnemonic, "none");
  } else if (insn != nullptr && !decoded) {
    out.add_disagreement(CompareField::kDecodes, 0, "none", s.capstone->instruction_name(insn->id));
  } else if (insn != nullptr) {
    compare(out, s.view, *s.capstone, *insn, s.options.syntax);
  }
  return out;
}

}  // namespace faultline::vmm::decode

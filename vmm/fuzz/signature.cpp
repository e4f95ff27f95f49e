#include "vmm/fuzz/signature.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <span>
#include <utility>

#include "vmm/fuzz/coverage.hpp"

namespace faultline::vmm::fuzz {

namespace {

constexpr std::size_t kMaxBytes = 160;

bool plain(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// A word that says where or how much, not what: a number of any kind, or a hash.
bool counts(std::string_view word) {
  if (word.empty() || word == "at") return true;
  if (word.size() == 16 && word.find_first_not_of("0123456789abcdef") == std::string_view::npos) return true;
  return std::isdigit(static_cast<unsigned char>(word.front())) != 0;
}

// "SIGSEGV SEGV_MAPERR at 0x1000" -> "SIGSEGV-SEGV_MAPERR".
std::string kind_of(std::string_view value) {
  std::string out, word;
  const auto flush = [&] {
    if (!counts(word)) out += (out.empty() ? "" : "-") + word;
    word.clear();
  };
  for (const char c : value) {
    if (plain(c)) {
      word += c;
    } else {
      flush();
    }
  }
  flush();
  return out.empty() ? "number" : out;
}

// Of content there is only that it differs; of faults only the first that do.
std::string values(const Disagreement& d) {
  if (d.field == "bytes" || d.field == "content" || d.field == "counts") return "";
  return kind_of(d.first_value).substr(0, 40) + "=" + kind_of(d.second_value).substr(0, 40);
}

std::string where(const Program& program, std::size_t step) {
  if (step < program.operations.size()) {
    const Operation& o = program.operations[step];
    std::string text(row(o.op).name);
    for (std::size_t i = 0; i < row(o.op).operand_count(); ++i) {
      if (row(o.op).operands[i] == OperandKind::kAdvice)
        text += fmt::format("-{}", advice_table()[static_cast<std::size_t>(o.operands[i])].name);
    }
    return text;
  }
  std::set<Op> met;
  for (const Operation& o : program.operations) met.insert(o.op);
  std::string text = "end";
  for (const Op op : met) text += fmt::format("-{}", row(op).name);
  return text;
}

// Levels, bits and controls of the operations up to `step`.
std::string raw(const Program& program, std::size_t step) {
  std::set<std::pair<OperandKind, std::int64_t>> met;
  for (std::size_t i = 0; i <= step && i < program.operations.size(); ++i) {
    const Operation& o = program.operations[i];
    for (std::size_t k = 0; k < row(o.op).operand_count(); ++k) {
      const OperandKind kind = row(o.op).operands[k];
      if (kind == OperandKind::kLevel || kind == OperandKind::kBit || kind == OperandKind::kControl)
        met.emplace(kind, o.operands[k]);
    }
  }
  std::string text;
  for (const auto& [kind, value] : met)
    text += fmt::format(".{}{}", kind == OperandKind::kLevel ? 'l' : kind == OperandKind::kBit ? 'b' : 'c', value);
  return text;
}

// The step of the ladder that decided, and the hash of the way there, of the last fault up to `step`.
std::string ladder(const Trace& trace, std::size_t step) {
  const std::size_t from = trace.steps.empty() ? 0 : std::min(step, trace.steps.size() - 1) + 1;
  for (std::size_t i = from; i-- > 0;) {
    for (auto f = trace.steps[i].features.rbegin(); f != trace.steps[i].features.rend(); ++f) {
      const Met met = unpack_met(*f);
      if ((*f >> 31) != 0 || met.outcome < 2 || met.step == Met::kNoStep) continue;
      return fmt::format(".{}-p{:02x}", kind_of(mmu::name(static_cast<mmu::FaultStep>(met.step))), met.path);
    }
  }
  return "";
}

std::string safe(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return !plain(c) && std::string_view("+-=.").find(c) == std::string_view::npos; }, '-');
  if (text.size() <= kMaxBytes) return text;
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  const std::string tail = fmt::format("-{:016x}", content_hash(bytes));
  return text.substr(0, kMaxBytes - tail.size()) + tail;
}

}  // namespace

std::string signature(const Program& program, const Disagreement& disagreement, const Trace& trace) {
  Disagreement d = disagreement;
  if (d.second < d.first) {
    std::swap(d.first, d.second);
    std::swap(d.first_value, d.second_value);
  }
  std::string key = fmt::format("{}+{}.{}.{}", d.first, d.second, d.field, where(program, d.step));
  if (const std::string said = values(d); !said.empty()) key += "." + said;
  return safe(key + raw(program, d.step) + ladder(trace, d.step));
}

}  // namespace faultline::vmm::fuzz

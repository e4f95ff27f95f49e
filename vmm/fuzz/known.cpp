#include "vmm/fuzz/known.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/text.hpp"

// known-deviations.json, made part of the program by CMake.
extern "C" const char faultline_known_deviations[];
extern "C" const unsigned long faultline_known_deviations_bytes;

namespace faultline::vmm::fuzz {

namespace {

using Json = nlohmann::json;
constexpr std::size_t kMaxFileBytes = 1 << 20;

// In quotation marks, on one line whatever it is.
std::string in_quotes(const std::string& text) {
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

bool match(const std::string& pattern, const std::string& text) {
  return ::fnmatch(pattern.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
}

// fnmatch() takes a '[' without an end for itself; whoever wrote it meant something else.
bool well_formed(std::string_view pattern) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '[') continue;
    // The first character of a set, after a '!', is one of it even if it is a ']'.
    const std::size_t first = i + 1 + (pattern.substr(i + 1).starts_with('!') ? 1 : 0);
    i = pattern.find(']', first + 1);
    if (i == std::string_view::npos) return false;
  }
  return true;
}

enum class Shape : std::uint8_t {
  kText,
  kPattern,
  kPatterns,  // a list, or one that needs none
  kPair,
};
struct Key {
  const char* name;
  Shape shape;
  bool needed;
  std::string Rule::*text = nullptr;
  std::vector<std::string> Rule::*list = nullptr;
};
constexpr std::array<Key, 10> kKeys{{{"id", Shape::kText, true, &Rule::id},
                                     {"judges", Shape::kPair, true, nullptr, &Rule::judges},
                                     {"field", Shape::kPatterns, true, nullptr, &Rule::field},
                                     {"op", Shape::kPatterns, true, nullptr, &Rule::op},
                                     {"with", Shape::kPatterns, false, nullptr, &Rule::with},
                                     {"across", Shape::kPatterns, false, nullptr, &Rule::across},
                                     {"values", Shape::kPair, false, nullptr, &Rule::values},
                                     {"backend", Shape::kPattern, false, &Rule::backend},
                                     {"reason", Shape::kText, true, &Rule::reason},
                                     {"source", Shape::kText, true, &Rule::source}}};

// Error: what is wrong with `value`, for after the place.
Result<std::string> read_text(const Json& value, bool pattern) {
  if (!value.is_string() || value.get_ref<const std::string&>().empty()) return fail("is no text");
  const auto& text = value.get_ref<const std::string&>();
  if (pattern && !well_formed(text)) return fail(fmt::format("is no pattern: '[' without ']' in {}", in_quotes(text)));
  return text;
}

Result<std::vector<std::string>> read_list(const Json& value, Shape shape) {
  if (shape == Shape::kPatterns && value.is_string()) {
    return read_text(value, true).map([](std::string one) { return std::vector{std::move(one)}; });
  }
  if (!value.is_array() || value.empty()) return fail("is no list of patterns");
  if (shape == Shape::kPair && value.size() != 2) return fail("is no list of two patterns");
  std::vector<std::string> list;
  for (const Json& each : value) {
    auto text = read_text(each, true);
    if (!text) return fail(fmt::format("entry {} {}", list.size() + 1, text.error().message));
    list.push_back(std::move(*text));
  }
  return list;
}

Result<void> read_key(Rule& rule, const Key& key, const Json& value) {
  if (key.list != nullptr) {
    auto list = read_list(value, key.shape);
    if (!list) return tl::unexpected(list.error());
    rule.*key.list = std::move(*list);
    return {};
  }
  auto text = read_text(value, key.shape == Shape::kPattern);
  if (!text) return tl::unexpected(text.error());
  rule.*key.text = std::move(*text);
  return {};
}

Result<Rule> read_rule(const Json& entry, const std::string& where) {
  if (!entry.is_object()) return fail(where + ": is no object");
  Rule rule;
  for (const auto& [name, value] : entry.items()) {
    const auto key = std::ranges::find_if(kKeys, [&name = name](const Key& k) { return name == k.name; });
    if (key == kKeys.end()) return fail(fmt::format("{}: unknown key {}", where, in_quotes(name)));
    if (const auto read = read_key(rule, *key, value); !read)
      return fail(fmt::format("{}: \"{}\" {}", where, name, read.error().message));
  }
  for (const Key& key : kKeys) {
    if (key.needed && !entry.contains(key.name)) return fail(fmt::format("{}: lacks \"{}\"", where, key.name));
  }
  return rule;
}

Result<Json> read_json(std::string_view text, const std::string& file_name) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& e) {
    return fail(fmt::format("{}: byte {}: is no JSON", file_name, e.byte));
  } catch (const Json::exception&) {
    return fail(file_name + ": a number is out of range");
  }
}

bool any(const std::vector<std::string>& patterns, const std::string& text) {
  return std::ranges::any_of(patterns, [&text](const std::string& p) { return match(p, text); });
}

// An access that begins in one page and ends in another.
bool is_across(const Operation& o) {
  constexpr std::uint64_t kFetchBytes = 2;  // of the longest instruction that there is
  const OpRow& r = row(o.op);
  if (r.op_class != OpClass::kAccess) return false;
  const auto bytes = o.op == Op::kFetch ? kFetchBytes : static_cast<std::uint64_t>(o.operands[0]);
  for (std::size_t i = 0; i < kMaxOperands; ++i) {
    if (r.operands[i] != OperandKind::kAddress) continue;
    if (address_of(unpack_address(o.operands[i])).page_offset() + bytes > kPageSize) return true;
  }
  return false;
}

std::span<const Operation> up_to(const Program& program, std::size_t step) {
  return std::span(program.operations).first(std::min(step + 1, program.operations.size()));
}

// Whether each pattern of `with` has an operation up to `step`.
bool accompanied(const Program& program, std::size_t step, const std::vector<std::string>& with) {
  if (with.empty()) return true;
  std::vector<std::string> lines;
  for (const Operation& o : up_to(program, step)) lines.push_back(to_text(o));
  return std::ranges::all_of(with, [&lines](const std::string& p) {
    return std::ranges::any_of(lines, [&p](const std::string& line) { return match(p, line); });
  });
}

// Whether an access across pages, up to `step`, matches one of `across`.
bool crossed(const Program& program, std::size_t step, const std::vector<std::string>& across) {
  return across.empty() || std::ranges::any_of(up_to(program, step), [&across](const Operation& o) {
           return is_across(o) && any(across, to_text(o));
         });
}

}  // namespace

bool Rule::matches(const Program& program, const Disagreement& d) const {
  if (!any(field, d.field)) return false;
  if (!backend.empty() && !match(backend, d.first) && !match(backend, d.second)) return false;
  const auto said = [this](const std::string& one, const std::string& other) {
    return values.empty() || (match(values[0], one) && match(values[1], other));
  };
  const bool as_is = match(judges[0], d.first) && match(judges[1], d.second) && said(d.first_value, d.second_value);
  const bool turned = match(judges[0], d.second) && match(judges[1], d.first) && said(d.second_value, d.first_value);
  if (!as_is && !turned) return false;
  const bool end = d.step >= program.operations.size();
  return any(op, end ? "end" : to_text(program.operations[d.step])) && accompanied(program, d.step, with) &&
         crossed(program, d.step, across);
}

Result<KnownDeviations> KnownDeviations::parse(std::string_view text, const std::string& file_name) {
  const auto json = read_json(text, file_name);
  if (!json) return tl::unexpected(json.error());
  if (!json->is_object() || !json->contains("rules") || !(*json)["rules"].is_array())
    return fail(file_name + ": needs a list \"rules\"");
  if (json->value("format", Json()) != 1) return fail(file_name + ": \"format\" is not 1");
  for (const auto& [name, value] : json->items()) {
    if (name != "rules" && name != "format") return fail(fmt::format("{}: unknown key {}", file_name, in_quotes(name)));
  }
  KnownDeviations known;
  for (const Json& entry : (*json)["rules"]) {
    const std::string where = fmt::format("{}: rule {}", file_name, known.rules_.size() + 1);
    auto rule = read_rule(entry, where);
    if (!rule) return tl::unexpected(rule.error());
    if (std::ranges::find(known.rules_, rule->id, &Rule::id) != known.rules_.end())
      return fail(fmt::format("{}: there is another {}", where, in_quotes(rule->id)));
    known.rules_.push_back(std::move(*rule));
  }
  return known;
}

Result<KnownDeviations> KnownDeviations::load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(fmt::format("{}: {}", path, std::strerror(errno)));
  std::string text(kMaxFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return fail(fmt::format("{}: cannot be read", path));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMaxFileBytes) return fail(fmt::format("{}: longer than {} bytes", path, kMaxFileBytes));
  return parse(text, path);
}

Result<KnownDeviations> KnownDeviations::built_in() {
  return parse({faultline_known_deviations, faultline_known_deviations_bytes}, "known-deviations.json (built in)");
}

Result<void> KnownDeviations::add(const KnownDeviations& more) {
  for (const Rule& rule : more.rules_) {
    if (std::ranges::find(rules_, rule.id, &Rule::id) != rules_.end())
      return fail(fmt::format("known deviations: there are two rules {}", in_quotes(rule.id)));
  }
  rules_.insert(rules_.end(), more.rules_.begin(), more.rules_.end());
  return {};
}

const Rule* KnownDeviations::explains(const Program& program, const Disagreement& disagreement) const {
  const auto rule = std::ranges::find_if(rules_, [&](const Rule& r) { return r.matches(program, disagreement); });
  return rule == rules_.end() ? nullptr : &*rule;
}

}  // namespace faultline::vmm::fuzz

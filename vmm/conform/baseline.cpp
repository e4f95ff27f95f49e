#include "vmm/conform/baseline.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <array>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "mmu/base/check.hpp"

// conformance-baseline.json, made part of the program by CMake.
extern "C" const char faultline_conformance_baseline[];
extern "C" const unsigned long faultline_conformance_baseline_bytes;

namespace faultline::vmm::conform {
namespace {

bool match(const std::string& pattern, const std::string& text) {
  return pattern.empty() || ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

struct Field {
  const char* name;
  std::string Deviation::*member;
  bool needed;
};
constexpr std::array<Field, 10> kFields = {{{"id", &Deviation::id, true},
                                            {"backend", &Deviation::backend, true},
                                            {"reason", &Deviation::reason, true},
                                            {"rule", &Deviation::rule, false},
                                            {"what", &Deviation::what, true},
                                            {"who", &Deviation::who, false},
                                            {"access", &Deviation::access, false},
                                            {"half", &Deviation::half, false},
                                            {"section", &Deviation::section, false},
                                            {"instruction", &Deviation::instruction, false}}};

Result<Deviation> parse_one(const nlohmann::json& entry, const std::string& where) {
  if (!entry.is_object()) return fail(where + " is no object");
  Deviation d;
  for (const auto& [key, value] : entry.items()) {
    const auto field = std::ranges::find_if(kFields, [&key = key](const Field& f) { return key == f.name; });
    if (field == kFields.end()) return fail(fmt::format("{} has an unknown field \"{}\"", where, key));
    if (!value.is_string()) return fail(fmt::format("{}: \"{}\" is no string", where, key));
    d.*field->member = value.get<std::string>();
  }
  for (const Field& f : kFields) {
    if (f.needed && (d.*f.member).empty()) return fail(fmt::format("{} lacks \"{}\"", where, f.name));
  }
  return d;
}

}  // namespace

bool Deviation::matches(const Failure& f) const {
  return match(rule, f.rule) && match(what, f.what) && match(who, f.who) && match(access, f.access) &&
         match(half, f.half) && match(section, f.section) && match(instruction, f.instruction);
}

Result<Baseline> Baseline::parse(std::string_view text, const std::string& name) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return fail(fmt::format("baseline {}: not JSON", name));
  if (!json.is_object() || !json.contains("deviations") || !json["deviations"].is_array())
    return fail(fmt::format("baseline {}: needs an array \"deviations\"", name));
  if (json.value("format", nlohmann::json()) != 1) return fail(fmt::format("baseline {}: \"format\" is not 1", name));
  Baseline b;
  for (const nlohmann::json& entry : json["deviations"]) {
    auto one = parse_one(entry, fmt::format("baseline {}: deviation {}", name, b.deviations_.size() + 1));
    if (!one) return tl::unexpected(one.error());
    b.deviations_.push_back(std::move(*one));
  }
  return b;
}

Result<Baseline> Baseline::read(const std::string& file) {
  std::ifstream in(file);
  if (!in) return fail(fmt::format("baseline {}: {}", file, std::strerror(errno)));
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad() || text.fail()) return fail(fmt::format("baseline {}: cannot be read", file));
  return parse(text.str(), file);
}

Baseline Baseline::builtin() {
  auto parsed = parse({faultline_conformance_baseline, faultline_conformance_baseline_bytes}, "built in");
  FL_CHECK(parsed.has_value());
  return std::move(*parsed);
}

Baseline Baseline::of(const std::string& backend) const {
  Baseline b;
  for (const Deviation& d : deviations_) {
    if (match(d.backend, backend)) b.deviations_.push_back(d);
  }
  return b;
}

const Deviation* Baseline::find(const Failure& failure) const {
  for (const Deviation& d : deviations_) {
    if (d.matches(failure)) return &d;
  }
  return nullptr;
}

}  // namespace faultline::vmm::conform

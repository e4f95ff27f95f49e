#include "tests/fidelity/table.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

namespace faultline::test {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "tests/fidelity/rows.json: %s\n", why.c_str());
  std::abort();
}

UnitTest unit_from(const std::string& text) {
  const auto at = text.find(" in ");
  if (at == std::string::npos) refuse("not \"Suite.Name in path\": " + text);
  return {text.substr(0, at), text.substr(at + 4)};
}

FidelityRow row_from(const json& object) {
  static const std::set<std::string> known = {"id", "what", "cases", "units", "unseen", "noise", "open", "deviation"};
  for (const auto& [key, value] : object.items()) {
    if (!known.contains(key)) refuse("unknown key " + key);
  }
  FidelityRow row{.id = object.at("id"), .what = object.at("what")};
  row.cases = object.value("cases", std::vector<std::string>());
  for (const auto& text : object.value("units", std::vector<std::string>())) row.units.push_back(unit_from(text));
  row.unseen = object.value("unseen", "");
  row.noise = object.value("noise", "");
  row.open = object.value("open", "");
  row.deviation = object.value("deviation", "");
  return row;
}

}  // namespace

RowState FidelityRow::state() const {
  if (!open.empty()) return RowState::kOpen;
  if (!noise.empty()) return RowState::kNotCompared;
  if (!cases.empty()) return RowState::kDifferential;
  return units.empty() ? RowState::kNotObservable : RowState::kUnit;
}

std::string to_string(RowState state) {
  switch (state) {
    case RowState::kDifferential: return "differential";
    case RowState::kUnit: return "unit";
    case RowState::kNotObservable: return "not observable";
    case RowState::kNotCompared: return "not compared";
    case RowState::kOpen: return "open";
  }
  return {};
}

std::vector<FidelitySection> fidelity_table() {
  std::ifstream file(FAULTLINE_SOURCE "/tests/fidelity/rows.json");
  const json document = json::parse(file, nullptr, false);
  if (!document.is_array()) refuse("not an array of sections");
  std::vector<FidelitySection> table;
  for (const auto& section : document) {
    table.push_back({section.at("section"), section.at("title"), {}});
    for (const auto& row : section.at("rows")) table.back().rows.push_back(row_from(row));
  }
  return table;
}

std::vector<std::string> cases_of(const std::vector<FidelitySection>& table) {
  std::set<std::string> cases;
  for (const auto& section : table) {
    for (const auto& row : section.rows) cases.insert(row.cases.begin(), row.cases.end());
  }
  return {cases.begin(), cases.end()};
}

}  // namespace faultline::test

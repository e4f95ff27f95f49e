#include "vmm/fuzz/campaign/statistics.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace faultline::vmm::fuzz {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr double kNsPerSecond = 1e9;

Json share_json(const Coverage::Share& share) {
  return {{"percent", share.percent()}, {"met", share.met}, {"of", share.of}, {"unforeseen", share.unforeseen}};
}

Json coverage_json(const Coverage& coverage) {
  Json json = share_json(coverage.share());
  json["features"] = coverage.features();
  for (unsigned t = 0; t < kTables; ++t) {
    const auto table = static_cast<Table>(t);
    json["tables"][std::string(name(table))] = share_json(coverage.share(table));
  }
  return json;
}

Json figures_json(const Figures& f, const FigureNames& names, double seconds, unsigned sessions) {
  Json json;
  json["format"] = kFormat;
  json["sessions"] = sessions;
  Json time{{"wall", seconds}};
  for (std::size_t i = 0; i < kCounts; ++i) {
    const auto count = static_cast<Count>(i);
    if (is_time(count)) {
      time[std::string(name(count))] = static_cast<double>(f.counts[i]) / kNsPerSecond;
    } else {
      json[std::string(name(count))] = f.counts[i];
    }
  }
  json["seconds"] = std::move(time);
  json["known"] = Json::object();
  for (std::size_t i = 0; i < names.rules.size() && i < kMaxRules; ++i) {
    if (f.rules[i] != 0) json["known"][names.rules[i]] = f.rules[i];
  }
  json["judges"] = Json::object();
  for (std::size_t i = 0; i < names.judges.size() && i < kMaxJudges; ++i) {
    const Figures::OfJudge& j = f.judges[i];
    json["judges"][names.judges[i]] = {
        {"runs", j.programs}, {"errors", j.errors}, {"seconds", static_cast<double>(j.ns) / kNsPerSecond}};
  }
  return json;
}

// Numbers that both have are added; what only one has stays.
void add_numbers(Json& sum, const Json& add) {
  if (sum.is_null()) {
    sum = add;
  } else if (sum.is_object() && add.is_object()) {
    for (const auto& [key, value] : add.items()) {
      if (key != "format") add_numbers(sum[key], value);
    }
  } else if (sum.is_number_unsigned() && add.is_number_unsigned()) {
    sum = sum.get<std::uint64_t>() + add.get<std::uint64_t>();
  } else if (sum.is_number() && add.is_number()) {
    sum = sum.get<double>() + add.get<double>();
  } else {
    sum = add;
  }
}

Result<Json> parse(std::string_view text, const std::string& file) {
  if (text.empty()) return Json();
  constexpr const char* kRemedy = "; remove it to count anew";
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::parse_error& error) {
    return fail(fmt::format("{}: byte {}: this is no JSON{}", file, error.byte == 0 ? 0 : error.byte - 1, kRemedy));
  }
  if (!json.is_object() || !json.contains("format") || json["format"] != kFormat)
    return fail(fmt::format("{}: byte 0: these are no statistics of format {}{}", file, kFormat, kRemedy));
  return json;
}

}  // namespace

Result<void> check_statistics(std::string_view text, const std::string& file) {
  const auto json = parse(text, file);
  if (!json) return tl::unexpected(json.error());
  return {};
}

unsigned sessions_of(std::string_view text) {
  const auto json = parse(text, "");
  if (!json || !json->is_object()) return 0;
  return json->contains("sessions") && (*json)["sessions"].is_number_unsigned() ? (*json)["sessions"].get<unsigned>()
                                                                                : 0;
}

Result<std::string> add_statistics(std::string_view before, const std::string& file, const Figures& add,
                                   const FigureNames& names, double seconds, unsigned sessions,
                                   const Coverage& coverage) {
  auto json = parse(before, file);
  if (!json) return tl::unexpected(json.error());
  add_numbers(*json, figures_json(add, names, seconds, sessions));
  (*json)["coverage"] = coverage_json(coverage);
  return json->dump(2) + "\n";
}

Figures operator-(const Figures& a, const Figures& b) {
  Figures d = a;
  for (std::size_t i = 0; i < kCounts; ++i) d.counts[i] -= b.counts[i];
  for (std::size_t i = 0; i < kMaxRules; ++i) d.rules[i] -= b.rules[i];
  for (std::size_t i = 0; i < kMaxJudges; ++i) {
    d.judges[i].programs -= b.judges[i].programs;
    d.judges[i].errors -= b.judges[i].errors;
    d.judges[i].ns -= b.judges[i].ns;
  }
  return d;
}

}  // namespace faultline::vmm::fuzz

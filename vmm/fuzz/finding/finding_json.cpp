#include "vmm/fuzz/finding/finding_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace faultline::vmm::fuzz {

namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kMaxJudges = 16;

struct TextKey {
  const char* name;
  std::string Finding::*member;
};
constexpr std::array<TextKey, 4> kTexts{{{"signature", &Finding::signature},
                                         {"version", &Finding::version},
                                         {"kernel", &Finding::kernel},
                                         {"backend", &Finding::backend}}};
struct DisagreementKey {
  const char* name;
  std::string Disagreement::*member;
};
constexpr std::array<DisagreementKey, 5> kDisagreement{{{"first", &Disagreement::first},
                                                        {"second", &Disagreement::second},
                                                        {"field", &Disagreement::field},
                                                        {"first_value", &Disagreement::first_value},
                                                        {"second_value", &Disagreement::second_value}}};

// In quotation marks, on one line whatever it is.
std::string in_quotes(const std::string& text) {
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

// What is wrong with the object's keys: one too many, or one that is missing.
Result<void> keys_are(const Json& object, const std::string& where, std::vector<std::string> wanted) {
  for (const auto& [key, value] : object.items()) {
    const auto found = std::ranges::find(wanted, key);
    if (found == wanted.end()) return fail(fmt::format("{}: unknown key {}", where, in_quotes(key)));
    wanted.erase(found);
  }
  if (!wanted.empty()) return fail(fmt::format("{}: lacks \"{}\"", where, wanted.front()));
  return {};
}

Result<std::string> text_of(const Json& object, const char* key, const std::string& where) {
  const Json& value = object[key];
  if (!value.is_string()) return fail(fmt::format("{}: \"{}\" is no text", where, key));
  return value.get<std::string>();
}

Result<std::uint64_t> number_of(const Json& object, const char* key, const std::string& where) {
  const Json& value = object[key];
  if (!value.is_number_unsigned()) return fail(fmt::format("{}: \"{}\" is no number from 0 on", where, key));
  return value.get<std::uint64_t>();
}

Result<Disagreement> read_disagreement(const Json& object, const std::string& file_name) {
  const std::string where = file_name + ": \"disagreement\"";
  if (!object.is_object()) return fail(where + " is no object");
  std::vector<std::string> keys{"step"};
  for (const DisagreementKey& k : kDisagreement) keys.emplace_back(k.name);
  if (const auto ok = keys_are(object, where, keys); !ok) return tl::unexpected(ok.error());
  Disagreement d;
  for (const DisagreementKey& k : kDisagreement) {
    auto text = text_of(object, k.name, where);
    if (!text) return tl::unexpected(text.error());
    d.*k.member = std::move(*text);
  }
  const auto step = number_of(object, "step", where);
  if (!step) return tl::unexpected(step.error());
  if (*step > kMaxOperations) return fail(fmt::format("{}: \"step\" is beyond every program", where));
  d.step = *step;
  return d;
}

Result<std::vector<std::string>> read_judges(const Json& list, const std::string& where) {
  const bool texts = list.is_array() && !list.empty() && list.size() <= kMaxJudges &&
                     std::ranges::all_of(list, [](const Json& j) { return j.is_string(); });
  if (!texts) return fail(fmt::format("{}: \"judges\" is no list of names, 1 to {}", where, kMaxJudges));
  return list.get<std::vector<std::string>>();
}

Result<Json> read_object(std::string_view text, const std::string& file_name) {
  try {
    Json json = Json::parse(text);
    if (!json.is_object()) return fail(file_name + ": byte 0: is no object");
    return json;
  } catch (const Json::parse_error& e) {
    return fail(fmt::format("{}: byte {}: is no JSON", file_name, e.byte));
  } catch (const Json::exception&) {
    return fail(file_name + ": a number is out of range");
  }
}

}  // namespace

std::string to_json(const Finding& finding) {
  Json d{{"step", finding.disagreement.step}};
  for (const DisagreementKey& k : kDisagreement) d[k.name] = finding.disagreement.*k.member;
  Json json{{"format", 1}, {"seed", finding.seed}, {"judges", finding.judges}, {"disagreement", d}};
  for (const TextKey& k : kTexts) json[k.name] = finding.*k.member;
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

Result<Finding> parse_finding_json(std::string_view text, const std::string& file_name) {
  const auto json = read_object(text, file_name);
  if (!json) return tl::unexpected(json.error());
  std::vector<std::string> keys{"format", "seed", "judges", "disagreement"};
  for (const TextKey& k : kTexts) keys.emplace_back(k.name);
  if (const auto ok = keys_are(*json, file_name, keys); !ok) return tl::unexpected(ok.error());
  if ((*json)["format"] != 1) return fail(file_name + ": \"format\" is not 1");
  Finding finding;
  for (const TextKey& k : kTexts) {
    auto value = text_of(*json, k.name, file_name);
    if (!value) return tl::unexpected(value.error());
    finding.*k.member = std::move(*value);
  }
  const auto seed = number_of(*json, "seed", file_name);
  if (!seed) return tl::unexpected(seed.error());
  finding.seed = *seed;
  auto judges = read_judges((*json)["judges"], file_name);
  if (!judges) return tl::unexpected(judges.error());
  finding.judges = std::move(*judges);
  auto disagreement = read_disagreement((*json)["disagreement"], file_name);
  if (!disagreement) return tl::unexpected(disagreement.error());
  finding.disagreement = std::move(*disagreement);
  return finding;
}

}  // namespace faultline::vmm::fuzz

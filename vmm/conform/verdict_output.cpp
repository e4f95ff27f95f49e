// The verdict as text, JSON and JUnit XML.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "vmm/conform/verdict.hpp"

namespace faultline::vmm::conform {
namespace {

double seconds(std::chrono::nanoseconds t) { return std::chrono::duration<double>(t).count(); }

void add_table(std::string& text, std::string_view title, const std::map<std::string, Counts>& rows) {
  text += fmt::format("\n{:<20} {:>9} {:>7} {:>7} {:>13} {:>8}\n", title, "passed", "failed", "known", "not supported",
                      "not run");
  for (const auto& [name, c] : rows) {
    text += fmt::format("{:<20} {:>9} {:>7} {:>7} {:>13} {:>8}\n", name, c.passed, c.failed, c.known, c.unsupported,
                        c.not_run);
  }
}

std::string levels_text(const Group& g) {
  std::string text;
  for (const unsigned level : g.levels) text += fmt::format("{}{}", text.empty() ? "" : " ", entry_name(level));
  return text.empty() ? "-" : text;
}

void add_group(std::string& text, const Group& g) {
  text += fmt::format("\n{} x {}: {}\n", g.count, fmt::join(g.rules, ", "), g.what);
  if (!g.known_as.empty()) text += fmt::format("  known     {}: {}\n", g.known_as, g.reason);
  text += fmt::format("  levels    {}\n  halves    {}\n  accesses ", levels_text(g), fmt::join(g.halves, ", "));
  for (const std::string& a : g.accesses) text += fmt::format(" {};", a);
  text += fmt::format("\n  simplest  faultline conform --case {}\n  expected  {}\n  got       {}\n", g.minimal,
                      g.expected, g.got);
}

nlohmann::json to_json(const Counts& c) {
  return {{"passed", c.passed},
          {"failed", c.failed},
          {"known", c.known},
          {"not_supported", c.unsupported},
          {"not_run", c.not_run}};
}

// A list of objects; `key` names what each is about.
nlohmann::json to_json(const std::map<std::string, Counts>& rows, const char* key) {
  nlohmann::json json = nlohmann::json::array();
  for (const auto& [name, counts] : rows) {
    json.push_back(to_json(counts));
    json.back()[key] = name;
  }
  return json;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

}  // namespace

std::string Verdict::to_text() const {
  std::string text = fmt::format("backend   {}\nkvm       {}\nseed      {}\n", backend, kvm, seed);
  for (const std::string& note : notes) text += fmt::format("note      {}\n", note);
  add_table(text, "rule", by_rule_);
  add_table(text, "feature", by_feature_);
  add_table(text, "section", by_section_);
  for (const Group& g : groups()) add_group(text, g);
  for (const std::string& d : mmu_disagreements) text += "\n" + d + "\n";

  text += fmt::format("\nmmu's walker: {} cases compared with the model, {} disagree\n", mmu_compared,
                      mmu_disagreement_count);
  if (translate_compared != 0)
    text += fmt::format("KVM_TRANSLATE: {} translations compared with the model, {} known deviations\n",
                        translate_compared, translate_known);
  for (const auto& [what, count] : translate_failures) text += fmt::format("KVM_TRANSLATE: {} x {}\n", count, what);
  const double wall_s = seconds(wall);
  if (total_.run() != 0) {
    text +=
        fmt::format("{:.1f} s, {:.0f} cases a second, {:.1f} % of it outside KVM_RUN; vCPUs that died: {}\n", wall_s,
                    static_cast<double>(total_.run()) / wall_s, 100 * (1 - seconds(in_guest) / wall_s), deaths);
  }
  text += fmt::format("{} cases: {} passed, {} failed, {} known deviations, {} not supported here, {} not run\n",
                      total_.run(), total_.passed, total_.failed, total_.known, total_.unsupported, total_.not_run);
  return text;
}

nlohmann::json Verdict::to_json() const {
  nlohmann::json json = {{"cases", total_.run()},
                         {"backend", backend},
                         {"kvm", kvm},
                         {"seed", seed},
                         {"clean", clean()},
                         {"notes", notes},
                         {"seconds", seconds(wall)},
                         {"seconds_in_guest", seconds(in_guest)},
                         {"vcpu_deaths", deaths}};
  json["counts"] = conform::to_json(total_);
  json["rules"] = conform::to_json(by_rule_, "rule");
  json["features"] = conform::to_json(by_feature_, "feature");
  json["sections"] = conform::to_json(by_section_, "section");
  json["mmu"] = {{"compared", mmu_compared}, {"disagreements", mmu_disagreement_count}, {"first", mmu_disagreements}};
  json["kvm_translate"] = {
      {"compared", translate_compared}, {"known", translate_known}, {"failures", translate_failures}};
  json["groups"] = nlohmann::json::array();
  for (const Group& g : groups()) {
    nlohmann::json one = {{"rule", fmt::format("{}", fmt::join(g.rules, ", "))},
                          {"what", g.what},
                          {"halves", g.halves},
                          {"count", g.count},
                          {"levels", g.levels},
                          {"accesses", g.accesses},
                          {"case", g.minimal},
                          {"expected", g.expected},
                          {"got", g.got}};
    if (!g.known_as.empty()) one["known"] = {{"id", g.known_as}, {"reason", g.reason}};
    json["groups"].push_back(std::move(one));
  }
  return json;
}

// One test a rule; a known deviation is no failure.
std::string Verdict::to_junit() const {
  std::uint64_t failures = 0;
  std::string tests;
  for (const auto& [rule, c] : by_rule_) {
    tests += fmt::format("  <testcase classname=\"conform.{}\" name=\"{}\">\n", escaped(backend), escaped(rule));
    if (c.failed != 0) {
      ++failures;
      tests += fmt::format("    <failure message=\"{} of {} cases\">", c.failed, c.run());
      for (const Group& g : groups()) {
        if (g.known_as.empty() && g.rules.contains(rule))
          tests += escaped(
              fmt::format("{} x {}, case {}: expected {}, got {}; ", g.count, g.what, g.minimal, g.expected, g.got));
      }
      tests += "</failure>\n";
    } else if (c.run() == 0) {
      tests += "    <skipped/>\n";
    }
    tests += "  </testcase>\n";
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"faultline conform\" tests=\"{}\" "
      "failures=\"{}\" time=\"{:.3f}\">\n{}</testsuite>\n",
      by_rule_.size(), failures, seconds(wall), tests);
}

}  // namespace faultline::vmm::conform

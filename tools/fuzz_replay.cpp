// `faultline fuzz replay`: a finding judged again.
#include <fmt/format.h>

#include <algorithm>

#include "tools/complain.hpp"
#include "tools/fuzz_program.hpp"
#include "tools/output.hpp"
#include "vmm/fuzz/campaign/crash.hpp"
#include "vmm/fuzz/campaign/files.hpp"
#include "vmm/fuzz/campaign/judges.hpp"
#include "vmm/fuzz/finding/finding.hpp"
#include "vmm/fuzz/known.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

using namespace vmm::fuzz;

namespace {

// What --judges would call the judge that a trace calls `name`; empty: that is no judge.
std::string asked_name(std::string name) {
  name.resize(std::min(name.find('~'), name.size()));  // of a relation
  if (name.starts_with("kvm")) return "kvm";
  const auto names = judge_names();
  const auto found = std::ranges::find_if(names, [&](std::string_view n) { return name.starts_with(n); });
  return found == names.end() ? "" : std::string(*found);
}

std::vector<std::string> judges_of(const Finding& finding) {
  const bool all = finding.disagreement.field == "crash";
  std::vector<std::string> told = {finding.disagreement.first, finding.disagreement.second};
  if (all) told = finding.judges;
  std::vector<std::string> names;
  for (const std::string& name : told) {
    const std::string asked = asked_name(name);
    if (!asked.empty() && std::ranges::find(names, asked) == names.end()) names.push_back(asked);
  }
  return names;
}

int verdict(bool same, const std::string& line) { return print("now:  " + line + "\n", same ? 1 : 0); }

// A judge that died, or failed: there are no two traces to compare.
int replay_death(const Finding& finding, const JudgeMaker& make) {
  constexpr std::chrono::milliseconds kPatience{60'000};
  const bool dead = dies(make, finding.shrunk, kPatience);
  return verdict(dead, dead ? "the same: judging it kills a process" : "it is judged, and nobody dies");
}

int replay_failure(const Finding& finding, const Judges& judges) {
  for (const auto& judge : judges) {
    const auto trace = judge->run(finding.shrunk);
    if (!trace) return verdict(true, fmt::format("the same: {} fails: {}", judge->name(), trace.error().message));
  }
  return verdict(false, "the judge does not fail any more");
}

}  // namespace

int fuzz_replay(const FuzzOptions& options) {
  const auto finding = read_finding(options.path);
  if (!finding && exists(options.path + "/findings"))
    return complain_with(vmm::kExitUsage,
                         options.path + ": this is a campaign; name one of the folders in its findings/");
  if (!finding) return complain_with(vmm::kExitUsage, finding.error().message);
  const auto known = load_known(options.known);
  if (!known) return complain_with(vmm::kExitUsage, known.error().message);
  const auto names = options.judges.empty() ? judges_of(*finding) : options.judges;
  const auto make = [&] { return make_judges(names, options.backend); };
  const std::string then = summary(finding->shrunk, finding->disagreement);
  if (const int failed = print("then: " + then + "\n", 0); failed != 0) return failed;
  const Available available = available_judges(names, options.backend);
  if (!available.missing.empty()) return complain_with(vmm::kExitHarness, available.missing.front());
  if (finding->disagreement.field == "crash") return replay_death(*finding, make);
  const auto judges = make();
  if (!judges) return complain_with(vmm::kExitHarness, judges.error().message);
  if (finding->disagreement.field == "failed") return replay_failure(*finding, *judges);
  const auto result = replay(*finding, *judges, &*known);
  if (!result) return complain_with(vmm::kExitHarness, result.error().message);
  return verdict(result->now && !result->known, result->verdict);
}

}  // namespace faultline::tools

// `faultline fuzz`: do independent judges agree about programs?
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

#include "tools/commands.hpp"
#include "tools/complain.hpp"
#include "tools/fuzz_program.hpp"
#include "tools/fuzz_progress.hpp"
#include "tools/output.hpp"
#include "tools/version.hpp"
#include "vmm/fuzz/campaign/campaign.hpp"
#include "vmm/fuzz/campaign/directory.hpp"
#include "vmm/fuzz/campaign/judges.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

namespace {

using namespace vmm::fuzz;

CampaignSettings settings_of(const FuzzOptions& o) {
  CampaignSettings settings;
  settings.directory = o.path;
  settings.version = kVersion;
  settings.seed = o.seed ? *o.seed : std::random_device()();
  settings.jobs = static_cast<unsigned>(o.jobs);
  settings.time = o.time;
  settings.programs = o.programs;
  settings.means = {o.raw, o.failures};
  return settings;
}

std::string json_text(const CampaignEnd& end, const CampaignSettings& settings) {
  nlohmann::ordered_json json;
  json["directory"] = settings.directory;
  json["seed"] = settings.seed;
  json["jobs"] = settings.jobs;
  json["interrupted"] = end.interrupted;
  json["session"] = nlohmann::ordered_json::parse(end.session_json);
  json["campaign"] = nlohmann::ordered_json::parse(end.campaign_json);
  return json.dump(2) + "\n";
}

// Where there are findings, how to go on.
std::string what_to_do(const CampaignEnd& end, const std::string& folder) {
  if (end.last.findings == 0) return "";
  return fmt::format(
      "each is explained in {0}/findings/NAME/README.md; faultline fuzz replay {0}/findings/NAME judges it again\n",
      folder);
}

int campaign(const FuzzOptions& options) {
  const CampaignSettings settings = settings_of(options);
  const auto known = load_known(options.known);
  if (!known) return complain_with(vmm::kExitUsage, known.error().message);
  // Before anything else, so that a folder that is no campaign is the first to be told.
  if (const auto directory = CampaignDirectory::open(settings.directory); !directory)
    return complain_with(vmm::kExitUsage, directory.error().message);
  const auto names = chosen_judges(options);
  if (!names) return complain_with(vmm::kExitHarness, names.error().message);
  Result<CampaignEnd> end = fail("");
  {
    FuzzProgress progress;
    const bool endless = settings.time.count() == 0 && settings.programs == 0;
    progress.note(fmt::format("a campaign in {}, seed {}; judges {}{}", settings.directory, settings.seed,
                              fmt::join(*names, ", "), endless ? "; Ctrl-C ends it" : ""));
    end = run_campaign(
        settings, [&] { return make_judges(*names, options.backend); }, *known, progress);
  }
  if (!end) return complain_with(vmm::kExitHarness, end.error().message);
  Output output;
  fmt::format_to(std::back_inserter(output.buffer()), "{}",
                 options.json ? json_text(*end, settings)
                              : fmt::format("seed {}\n{}{}", settings.seed, closing_text(*end, settings.directory),
                                            what_to_do(*end, settings.directory)));
  if (const int status = output.finish(); status != 0) return status;
  const auto& session = end->last.session;
  return session[Count::kFindings] + session[Count::kCrashes] + session[Count::kDuplicates] == 0 ? 0 : 1;
}

}  // namespace

int fuzz_command(const FuzzOptions& options) {
  switch (options.action) {
    case FuzzAction::kCampaign: return campaign(options);
    case FuzzAction::kReplay: return fuzz_replay(options);
    case FuzzAction::kMinimize: return fuzz_minimize(options);
    case FuzzAction::kRun: return fuzz_run(options);
    case FuzzAction::kGenerate: return fuzz_generate(options);
  }
  return vmm::kExitUsage;
}

}  // namespace faultline::tools

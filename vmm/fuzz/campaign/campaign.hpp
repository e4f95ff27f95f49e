// The built-in driver: a parent that starts jobs, keeps count, and starts anew those that die.
#pragma once

#include <string>

#include "vmm/fuzz/campaign/settings.hpp"
#include "vmm/fuzz/campaign/statistics.hpp"
#include "vmm/fuzz/known.hpp"

namespace faultline::vmm::fuzz {

// How a campaign stands.
struct CampaignProgress {
  double seconds = 0;  // since the session began
  Figures session;
  FigureNames names;  // of its judges and rules
  Coverage::Share coverage;
  std::size_t corpus = 0, findings = 0;  // in the folder
  unsigned jobs = 0, started = 0;        // alive; as many as there were at the start
  [[nodiscard]] double rate() const {
    return seconds > 0 ? static_cast<double>(session[Count::kPrograms]) / seconds : 0;
  }
  // Inside the guest, of the jobs' wall time, in per cent. Two guests of one job: the sum of both.
  [[nodiscard]] double in_guest() const;
};

// Who watches. Called in the parent.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void progress(const CampaignProgress&) {}  // five times a second or so
  virtual void finding(const std::string& /*folder*/, const std::string& /*line*/) {}
  virtual void note(const std::string& /*line*/) {}
};

struct CampaignEnd {
  CampaignProgress last;
  std::string session_json, campaign_json;  // of this session; of all
  bool interrupted = false;                 // SIGINT or SIGTERM ended it
};

// Runs until the time or the programs are used up, or SIGINT or SIGTERM comes: then the jobs finish
// what they do, and everything is written. A second signal ends them at once. Must be called by a
// process of one thread, which holds no vCPU: jobs are forked. Error: the folder cannot be used, or a
// job cannot do its work at all.
Result<CampaignEnd> run_campaign(const CampaignSettings& settings, const JudgeMaker& make_judges,
                                 const KnownDeviations& known, Watcher& watcher);

}  // namespace faultline::vmm::fuzz

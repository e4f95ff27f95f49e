// From a suspicion to a finding: recurring, not known yet, shrunk, written down.
#pragma once

#include <string>
#include <vector>

#include "vmm/fuzz/campaign/directory.hpp"
#include "vmm/fuzz/campaign/examine.hpp"
#include "vmm/fuzz/campaign/messages.hpp"
#include "vmm/fuzz/campaign/settings.hpp"
#include "vmm/fuzz/campaign/shared.hpp"

namespace faultline::vmm::fuzz {

// What a job has at hand.
struct JobContext {
  const CampaignSettings& settings;
  const KnownDeviations& known;
  CampaignDirectory& directory;
  Shared& shared;
  Tally& tally;
  RunningProgram& running;
  MessageWriter messages;
  std::vector<std::string> judges = {};  // their names
};

class Reporter {
 public:
  Reporter(const JobContext& job, Panel& panel, Examiner& examiner) : job_(job), panel_(panel), examiner_(examiner) {}

  // Each suspicion ends as noise, a duplicate or a finding. Of those that say the same of one step,
  // the first stands for all.
  void handle(const Program& program, const std::vector<std::optional<Opinion>>& opinions,
              const std::vector<Suspicion>& suspicions);

 private:
  // True: it is a finding, or a duplicate of one.
  bool handle_one(const Program& program, const std::vector<std::optional<Opinion>>& opinions, const Suspicion& s);
  void shrink_and_write(const Program& program, const Suspicion& suspicion, const std::string& key);
  Program smallest(const Program& program, const Suspicion& suspicion);

  const JobContext& job_;
  Panel& panel_;
  Examiner& examiner_;
};

// What a finding is known by, in shared memory.
[[nodiscard]] std::uint64_t signature_hash(const std::string& signature);
// Writes it and tells the parent. Counts it as well.
void write_down(const JobContext& job, const Program& original, const Program& smallest, const Disagreement& what,
                const std::vector<Trace>& traces, const std::string& signature);

}  // namespace faultline::vmm::fuzz

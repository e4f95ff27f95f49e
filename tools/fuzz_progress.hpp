// A campaign as somebody at a terminal sees it.
#pragma once

#include <chrono>
#include <string>

#include "vmm/fuzz/campaign/campaign.hpp"

namespace faultline::tools {

// On standard error: one line that is drawn over again where somebody looks at it, else a line every
// ten seconds; and each finding as it comes.
class FuzzProgress final : public vmm::fuzz::Watcher {
 public:
  FuzzProgress();
  ~FuzzProgress() override;
  void progress(const vmm::fuzz::CampaignProgress& snapshot) override;
  void finding(const std::string& folder, const std::string& line) override;
  void note(const std::string& line) override;

 private:
  void print(const std::string& line);
  void clear() const;
  bool terminal_;
  double printed_ = 0;  // seconds of the session
};

// The figures in one line: what a terminal of so many columns has room for.
[[nodiscard]] std::string progress_line(const vmm::fuzz::CampaignProgress& snapshot, std::size_t columns);
// Where the time went: what the judges took, in which some have a thread of their own; of those with a
// guest, what they spent inside it; and what else the jobs did.
[[nodiscard]] std::string time_text(const vmm::fuzz::CampaignProgress& snapshot);
// What is said at the end: figures, where the time went, rules that explained something.
[[nodiscard]] std::string closing_text(const vmm::fuzz::CampaignEnd& end, const std::string& folder);

}  // namespace faultline::tools

// What came of a run: counts by rule, feature and section, and the failures grouped by cause.
#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "vmm/conform/baseline.hpp"
#include "vmm/conform/expectation.hpp"
#include "vmm/conform/matrix.hpp"

namespace faultline::vmm::conform {

struct Counts {
  std::uint64_t passed = 0, failed = 0, known = 0, unsupported = 0, not_run = 0;
  [[nodiscard]] std::uint64_t run() const { return passed + failed + known; }
};

// Failures with one cause: the same difference under the same rule, or one known deviation.
struct Group {
  std::string what;
  std::set<std::string> rules;
  std::string known_as;  // id of the baseline's deviation, or empty: news
  std::string reason;
  std::uint64_t count = 0;
  std::set<unsigned> levels;
  std::set<std::string> halves;
  std::set<std::string> accesses;  // "user read"
  // The simplest case.
  std::uint64_t minimal = 0;
  unsigned complexity = ~0U;
  std::string expected, got;
};

class Verdict {
 public:
  explicit Verdict(Baseline baseline) : baseline_(std::move(baseline)) {}

  enum class Fate : std::uint8_t { kPassed, kFailed, kUnsupported, kNotRun };
  // Counts one case; `difference` where it failed, `missing` where it could not be run.
  void add(const Case& c, const Expectation& e, std::string_view section, const std::optional<Difference>& difference);
  void add_unsupported(const Case& c, const Expectation& e, std::string_view section, Feature missing);
  // One answer of KVM_TRANSLATE; `what` differs from the model, or nothing does.
  void add_translation(const std::optional<std::string>& what);
  void add_not_run(const Case& c, const Expectation& e, std::string_view section);

  std::string backend, kvm;  // labels
  std::vector<std::string> notes;
  std::uint64_t mmu_compared = 0;
  std::vector<std::string> mmu_disagreements;  // the first few
  std::uint64_t mmu_disagreement_count = 0;
  std::uint64_t translate_compared = 0, translate_known = 0;
  std::map<std::string, std::uint64_t> translate_failures;  // what differs, how often
  std::chrono::nanoseconds wall{0}, in_guest{0};
  unsigned deaths = 0;
  std::uint64_t seed = 1;

  [[nodiscard]] const Counts& total() const { return total_; }
  [[nodiscard]] const std::map<std::string, Counts>& by_rule() const { return by_rule_; }
  [[nodiscard]] const std::map<std::string, Counts>& by_feature() const { return by_feature_; }
  [[nodiscard]] const std::map<std::string, Counts>& by_section() const { return by_section_; }
  [[nodiscard]] std::vector<Group> groups() const;
  // Nothing deviates beyond the baseline.
  [[nodiscard]] bool clean() const {
    return total_.failed == 0 && mmu_disagreement_count == 0 && translate_failures.empty();
  }

  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] nlohmann::json to_json() const;
  [[nodiscard]] std::string to_junit() const;

 private:
  using Member = std::uint64_t Counts::*;
  void count(const Case& c, const Expectation& e, std::string_view section, Member member);
  void add_to_group(const Case& c, const Failure& failure, const Difference& difference, const Deviation* known);

  Baseline baseline_;
  Counts total_;
  std::map<std::string, Counts> by_rule_, by_feature_, by_section_;
  std::map<std::string, Group> groups_;
};

// The difference as a failure has it, for baselines and groups.
Failure failure_of(const Case& c, const Difference& difference, std::string_view section);
std::string_view name(Region region);

}  // namespace faultline::vmm::conform

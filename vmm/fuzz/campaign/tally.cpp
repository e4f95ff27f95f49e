#include "vmm/fuzz/campaign/tally.hpp"

namespace faultline::vmm::fuzz {

std::string_view name(Count count) {
  static constexpr std::array<std::string_view, kCounts> kNames{
      "programs",      "steps",   "faults",    "kept",    "taken_over", "explained",  "noise", "duplicates", "findings",
      "crashes",       "errors",  "relations", "entries", "list_ends",  "inner_ends", "drops", "guest",      "control",
      "guest_waiting", "waiting", "generate",  "compare", "shrink",     "files",      "relate"};
  return kNames[static_cast<std::size_t>(count)];
}

void Tally::judged(std::size_t judge, std::uint64_t ns, bool failed) {
  OfJudge& j = judges_[judge];
  bump(j.programs, 1);
  bump(j.errors, failed ? 1 : 0);
  bump(j.ns, ns);
  if (failed) add(Count::kErrors);
}

void Tally::explained(std::size_t rule) {
  add(Count::kExplained);
  if (rule < rules_.size()) bump(rules_[rule], 1);
}

void Tally::add_to(Figures& sum) const {
  for (std::size_t i = 0; i < kCounts; ++i) sum.counts[i] += counts_[i].load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < kMaxJudges; ++i) {
    sum.judges[i].programs += judges_[i].programs.load(std::memory_order_relaxed);
    sum.judges[i].errors += judges_[i].errors.load(std::memory_order_relaxed);
    sum.judges[i].ns += judges_[i].ns.load(std::memory_order_relaxed);
  }
  for (std::size_t i = 0; i < kMaxRules; ++i) sum.rules[i] += rules_[i].load(std::memory_order_relaxed);
}

}  // namespace faultline::vmm::fuzz

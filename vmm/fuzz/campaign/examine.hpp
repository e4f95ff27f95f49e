// What the judges' opinions of one program come to.
#pragma once

#include <optional>
#include <vector>

#include "vmm/fuzz/campaign/panel.hpp"
#include "vmm/fuzz/known.hpp"
#include "vmm/fuzz/relations.hpp"

namespace faultline::vmm::fuzz {

// Two judges disagree; or one failed, broke an invariant or a relation: then both are the same.
struct Suspicion {
  std::size_t a = 0, b = 0;  // of the panel
  Disagreement what;
  const Relation* relation = nullptr;
};

class Examiner {
 public:
  // All outlive it.
  Examiner(Panel& panel, const KnownDeviations& known, Tally& tally) : panel_(panel), known_(known), tally_(tally) {}

  // What no rule explains, the earliest step first. What is explained is counted only.
  std::vector<Suspicion> examine(const Program& program, const std::vector<std::optional<Opinion>>& opinions);
  // Puts the program to one relation with one judge, whose trace `first_run` is.
  std::optional<Suspicion> relate(const Program& program, const Relation& relation, std::size_t judge,
                                  const Trace& first_run);
  // Whether the same comes of two more runs.
  [[nodiscard]] bool recurs(const Program& program, const Suspicion& suspicion);
  [[nodiscard]] bool with_host(const Suspicion& s) const { return panel_.is_host(s.a) || panel_.is_host(s.b); }
  // Whether the same judges disagree about `program` in the same field, and no rule explains it.
  std::optional<Disagreement> again(const Program& program, const Suspicion& suspicion);
  // The disagreement of a judge that has no trace.
  [[nodiscard]] static Disagreement failure(std::string_view judge, const std::string& error);

 private:
  // Counted by its rule.
  [[nodiscard]] bool explained(const Program& program, const Disagreement& what);
  void add_pair(const Program& program, std::size_t a, std::size_t b, const Trace& first, const Trace& second,
                std::vector<Suspicion>& found);

  Panel& panel_;
  const KnownDeviations& known_;
  Tally& tally_;
};

}  // namespace faultline::vmm::fuzz

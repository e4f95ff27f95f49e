#include "vmm/fuzz/campaign/examine.hpp"

#include <algorithm>

namespace faultline::vmm::fuzz {

Disagreement Examiner::failure(std::string_view judge, const std::string& error) {
  return {std::string(judge), "answers", 0, "failed", error, "a trace"};
}

bool Examiner::explained(const Program& program, const Disagreement& what) {
  const Rule* rule = known_.explains(program, what);
  if (rule != nullptr) tally_.explained(static_cast<std::size_t>(rule - known_.rules().data()));
  return rule != nullptr;
}

void Examiner::add_pair(const Program& program, std::size_t a, std::size_t b, const Trace& first, const Trace& second,
                        std::vector<Suspicion>& found) {
  const auto what = compare(program, first, second);
  if (!what || explained(program, *what)) return;
  // A broken invariant is one judge's, and is found with each other judge again.
  if (what->field == "invariants") (what->first == first.judge ? b : a) = what->first == first.judge ? a : b;
  const auto same = [&](const Suspicion& s) { return s.a == a && s.b == b; };
  if (std::ranges::none_of(found, same)) found.push_back({a, b, *what});
}

std::vector<Suspicion> Examiner::examine(const Program& program, const std::vector<std::optional<Opinion>>& opinions) {
  std::vector<Suspicion> found;
  {
    const TimeIn time(tally_.sum(Count::kCompareNs));
    for (std::size_t a = 0; a < opinions.size(); ++a) {
      if (!opinions[a]) continue;
      const Opinion& first = *opinions[a];
      if (!first.trace) {
        found.push_back({a, a, failure(panel_.judge(a).name(), first.error)});
        continue;
      }
      for (std::size_t b = a + 1; b < opinions.size(); ++b) {
        if (opinions[b] && opinions[b]->trace) add_pair(program, a, b, *first.trace, *opinions[b]->trace, found);
      }
    }
  }
  std::ranges::stable_sort(found, {}, [](const Suspicion& s) { return s.what.step; });
  return found;
}

bool Examiner::recurs(const Program& program, const Suspicion& suspicion) {
  constexpr int kRuns = 2;
  for (int i = 0; i < kRuns; ++i) {
    const auto what = again(program, suspicion);
    if (!what || what->step != suspicion.what.step) return false;
  }
  return true;
}

std::optional<Suspicion> Examiner::relate(const Program& program, const Relation& relation, std::size_t judge,
                                          const Trace& first_run) {
  const TimeIn time(tally_.sum(Count::kRelationNs));
  tally_.add(Count::kRelations);
  const auto what = check_relation(relation, panel_.judge(judge), program, first_run);
  if (!what || !*what || explained(program, **what)) return std::nullopt;
  return Suspicion{judge, judge, **what, &relation};
}

std::optional<Disagreement> Examiner::again(const Program& program, const Suspicion& s) {
  if (s.relation != nullptr) {
    const auto what = check_relation(*s.relation, panel_.judge(s.a), program);
    const bool same = what && *what && (*what)->field == s.what.field && known_.explains(program, **what) == nullptr;
    return same ? *what : std::nullopt;
  }
  const Opinion first = panel_.ask(s.a, program);
  if (!first.trace) {
    if (s.what.field != "failed") return std::nullopt;
    return failure(panel_.judge(s.a).name(), first.error);
  }
  if (s.what.field == "failed") return std::nullopt;
  std::optional<Disagreement> what;
  if (s.a == s.b) {
    what = compare(program, *first.trace, *first.trace);
  } else {
    const Opinion second = panel_.ask(s.b, program);
    if (second.trace) what = compare(program, *first.trace, *second.trace);
  }
  if (!what || what->field != s.what.field || known_.explains(program, *what) != nullptr) return std::nullopt;
  return what;
}

}  // namespace faultline::vmm::fuzz

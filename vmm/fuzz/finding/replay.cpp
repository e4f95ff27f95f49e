#include <fmt/format.h>

#include <algorithm>

#include "vmm/fuzz/finding/finding.hpp"
#include "vmm/fuzz/known.hpp"
#include "vmm/fuzz/relations.hpp"

namespace faultline::vmm::fuzz {

namespace {

using Judges = std::span<const std::unique_ptr<Judge>>;
using Verdict = Result<std::optional<Disagreement>>;

Result<Judge*> find(Judges judges, std::string_view name) {
  const auto found = std::ranges::find_if(judges, [name](const auto& j) { return j->name() == name; });
  if (found == judges.end())
    return fail(fmt::format("the judge \"{}\", which the finding is about, is not here", name));
  return found->get();
}

// The relation that the finding is about: "model~split-map" names it.
std::string_view relation_of(const Disagreement& d) {
  for (const std::string_view who : {std::string_view(d.second), std::string_view(d.first)}) {
    if (const std::size_t tilde = who.find('~'); tilde != std::string_view::npos) return who.substr(tilde + 1);
  }
  return {};
}

Verdict judge_relation(const Finding& f, Judge& judge, std::string_view name) {
  const Relation* relation = find_relation(name);
  if (relation == nullptr) return fail(fmt::format("there is no relation \"{}\", which the finding is about", name));
  return check_relation(*relation, judge, f.shrunk);
}

Verdict judge_two(const Finding& f, Judge& first, Judge& second) {
  const auto a = first.run(f.shrunk);
  if (!a) return tl::unexpected(a.error());
  const auto b = second.run(f.shrunk);
  if (!b) return tl::unexpected(b.error());
  return compare(f.shrunk, *a, *b);
}

// Of one judge alone: whether it has a verdict, and what is broken in it.
Verdict judge_one(const Finding& f, Judge& judge) {
  const auto trace = judge.run(f.shrunk);
  if (trace) return compare(f.shrunk, *trace, *trace);
  if (f.disagreement.field != "failed") return tl::unexpected(trace.error());
  return Disagreement{std::string(judge.name()), "answers", 0, "failed", trace.error().message, "a trace"};
}

Verdict judge_again(const Finding& f, Judges judges) {
  const Disagreement& d = f.disagreement;
  const auto first = find(judges, std::string_view(d.first).substr(0, d.first.find('~')));
  if (!first) return tl::unexpected(first.error());
  if (const std::string_view relation = relation_of(d); !relation.empty()) return judge_relation(f, **first, relation);
  if (d.field == "invariants" || d.field == "failed") return judge_one(f, **first);
  const auto second = find(judges, d.second);
  if (!second) return tl::unexpected(second.error());
  return judge_two(f, **first, **second);
}

}  // namespace

Result<Replay> replay(const Finding& finding, Judges judges, const KnownDeviations* known) {
  auto now = judge_again(finding, judges);
  if (!now) return tl::unexpected(now.error());
  Replay result;
  result.now = std::move(*now);
  result.same = result.now == finding.disagreement;
  const Rule* rule = known != nullptr && result.now ? known->explains(finding.shrunk, *result.now) : nullptr;
  result.known = rule != nullptr;
  if (rule != nullptr) {
    result.verdict = fmt::format("known by the rule {}: {}", rule->id, rule->reason);
  } else if (result.same) {
    result.verdict = "the same";
  } else if (result.now) {
    result.verdict = "changed: " + summary(finding.shrunk, *result.now);
  } else {
    result.verdict = "gone: they agree";
  }
  return result;
}

}  // namespace faultline::vmm::fuzz

#include "vmm/conform/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace faultline::vmm::conform {
namespace {

std::string access_name(const Case& c) {
  const Form& form = c.instruction();
  return form.touch_count == 0 ? "none" : std::string(model::name(form.touches[0].kind));
}

// How far a case is from the plainest one: fewer set controls and fewer flags that differ from an
// entry that lets everything through.
unsigned complexity_of(const Case& c) {
  const model::Controls& k = c.controls;
  unsigned n = c.change ? 10 : 0;
  for (const bool on : {!k.wp, k.smep, k.smap, k.pke, k.pks, !k.nxe, c.ac, c.form > kFetch, c.leaf_a != 1}) n += on;
  n += static_cast<unsigned>(c.region) + (c.offset != 0 ? 3 : 0);
  constexpr std::uint64_t kOpen = 0x27, kFlags = 0x800f'0000'0000'01ff;
  for (unsigned level = c.leaf_a; level <= c.root_level(); ++level) {
    n += static_cast<unsigned>(std::popcount((c.a[level] ^ kOpen) & kFlags));
  }
  return n;
}

}  // namespace

std::string_view name(Region region) {
  switch (region) {
    case Region::kLower: return "lower";
    case Region::kUpper: return "upper";
    case Region::kLowerEdge: return "lower edge";
    case Region::kNonCanonical: return "not canonical";
  }
  return "";
}

Failure failure_of(const Case& c, const Difference& d, std::string_view section) {
  Failure f;
  f.rule = model::name(d.rule);
  f.what = d.what;
  f.who = c.user ? "user" : "supervisor";
  f.access = access_name(c);
  f.half = name(c.region);
  f.section = section;
  f.instruction = c.instruction().name;
  f.level = d.level;
  return f;
}

void Verdict::count(const Case& c, const Expectation& e, std::string_view section, Member member) {
  ++(total_.*member);
  ++(by_rule_[std::string(model::name(rule_of(e)))].*member);
  ++(by_section_[std::string(section)].*member);
  for (unsigned i = 0; i < kFeatures; ++i) {
    const auto f = static_cast<Feature>(i);
    if (c.needs.has(f)) ++(by_feature_[std::string(name(f))].*member);
  }
}

void Verdict::add(const Case& c, const Expectation& e, std::string_view section,
                  const std::optional<Difference>& difference) {
  if (!difference) return count(c, e, section, &Counts::passed);
  const Failure failure = failure_of(c, *difference, section);
  const Deviation* known = baseline_.find(failure);
  count(c, e, section, known != nullptr ? &Counts::known : &Counts::failed);
  add_to_group(c, failure, *difference, known);
}

void Verdict::add_unsupported(const Case& c, const Expectation& e, std::string_view section, Feature missing) {
  count(c, e, section, &Counts::unsupported);
  if (missing == Feature::kForm) ++by_feature_[std::string(name(missing))].unsupported;
}

void Verdict::add_translation(const std::optional<std::string>& what) {
  ++translate_compared;
  if (!what) return;
  Failure failure;
  failure.section = "translate";
  failure.what = *what;
  if (baseline_.find(failure) != nullptr) {
    ++translate_known;
  } else {
    ++translate_failures[*what];
  }
}

void Verdict::add_not_run(const Case& c, const Expectation& e, std::string_view section) {
  count(c, e, section, &Counts::not_run);
}

void Verdict::add_to_group(const Case& c, const Failure& f, const Difference& d, const Deviation* known) {
  const std::string known_as = known != nullptr ? known->id : "";
  Group& g = groups_[known != nullptr ? known_as : fmt::format("{}|{}", f.rule, f.what)];
  if (g.count++ == 0) {
    g.what = f.what, g.known_as = known_as;
    if (known != nullptr) g.reason = known->reason;
  }
  if (f.level != 0) g.levels.insert(f.level);
  g.rules.insert(f.rule);
  g.halves.insert(f.half);
  g.accesses.insert(f.who + " " + f.access);
  const unsigned complexity = complexity_of(c);
  if (complexity >= g.complexity && !(complexity == g.complexity && c.number < g.minimal)) return;
  g.complexity = complexity;
  g.minimal = c.number;
  g.expected = d.expected;
  g.got = d.got;
}

std::vector<Group> Verdict::groups() const {
  std::vector<Group> all;
  for (const auto& [key, group] : groups_) all.push_back(group);
  std::ranges::stable_sort(all, [](const Group& a, const Group& b) {
    if (a.known_as.empty() != b.known_as.empty()) return a.known_as.empty();
    return a.count > b.count;
  });
  return all;
}

}  // namespace faultline::vmm::conform

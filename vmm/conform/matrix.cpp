#include "vmm/conform/matrix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <unordered_set>

namespace faultline::vmm::conform {
namespace {

constexpr std::uint64_t kWholeUpTo = 2'000'000;
constexpr unsigned kAttempts = 32;
// Cases of a section that this machine cannot run: enough for the verdict to name them.
constexpr std::uint64_t kUnsupportedShare = 1000;

// splitmix64: a fixed function of the seed, so that a run is the same everywhere.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e37'79b9'7f4a'7c15;
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
  return x ^ (x >> 31);
}

// All ways to fix `width` dimensions to values each: the strata of a sample. Every one of them is
// in the sample where it has at least as many cases.
class Strata {
 public:
  Strata(const Section& section, unsigned width) {
    std::vector<unsigned> subset(width);
    std::iota(subset.begin(), subset.end(), 0U);
    const auto n = static_cast<unsigned>(section.dimensions.size());
    for (bool more = n >= width; more; more = advance(subset, n)) {
      std::uint64_t combinations = 1;
      for (const unsigned d : subset) combinations *= section.dimensions[d].values.size();
      subsets_.push_back({subset, total_, combinations});
      total_ += combinations;
    }
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }

  // Fixes the values of stratum `index` in `choice`.
  void fix(const Section& section, std::uint64_t index, Choice& choice) const {
    const auto after = std::ranges::upper_bound(subsets_, index, {}, &Subset::first);
    const Subset& s = *std::prev(after);
    std::uint64_t rest = index - s.first;
    for (const unsigned d : s.dimensions) {
      const std::uint64_t values = section.dimensions[d].values.size();
      choice[d] = static_cast<unsigned>(rest % values);
      rest /= values;
    }
  }

 private:
  struct Subset {
    std::vector<unsigned> dimensions;
    std::uint64_t first, combinations;
  };
  static bool advance(std::vector<unsigned>& subset, unsigned n) {
    for (std::size_t i = subset.size(); i-- > 0;) {
      if (subset[i] + (subset.size() - i) < n) {
        ++subset[i];
        for (std::size_t k = i + 1; k < subset.size(); ++k) subset[k] = subset[k - 1] + 1;
        return true;
      }
    }
    return false;
  }

  std::vector<Subset> subsets_;
  std::uint64_t total_ = 0;
};

bool can_run(const Section& section, const Selection& selection) {
  if (!selection.available || section.one_of.empty()) return true;
  return std::ranges::any_of(section.one_of, [&](Feature f) { return selection.available->has(f); });
}

Case finished(const Section& section, const Choice& choice, Case c) {
  c.section = section.id;
  c.number = section.number(choice);
  if (c.controls.nxe) c.needs.add(Feature::kNx);
  if (c.controls.smep) c.needs.add(Feature::kSmep);
  if (c.controls.smap) c.needs.add(Feature::kSmap);
  if (c.controls.pke) c.needs.add(Feature::kPku);
  if (c.controls.pks) c.needs.add(Feature::kPks);
  if (c.controls.pcide) c.needs.add(Feature::kPcid);
  if (c.change && is_invpcid(c.change->flush)) c.needs.add(Feature::kInvpcid);
  if (c.controls.pge) c.needs.add(Feature::kGlobal);
  if (c.controls.paging == model::Paging::kFiveLevel) c.needs.add(Feature::kLa57);
  if (c.controls.paging == model::Paging::kTwoLevel) c.needs.add(Feature::kTwoLevel);
  if (c.controls.paging == model::Paging::kPae) c.needs.add(Feature::kPae);
  return c;
}

void take_whole(const Section& section, Plan& plan, Plan::Part& part) {
  const std::uint64_t size = section.size();
  for (std::uint64_t index = 0; index < size; ++index) {
    const Choice choice = section.choice(index);
    if (Built built = section.build(choice); built.value) {
      plan.cases.push_back(finished(section, choice, std::move(*built.value)));
    } else {
      ++part.illegal;
    }
  }
}

void take_sample(const Section& section, std::uint64_t wanted, std::uint64_t seed, Plan& plan, Plan::Part& part) {
  unsigned width = 1;
  while (width < 3 && Strata(section, width + 1).total() <= wanted) ++width;
  const Strata strata(section, width);
  // A stride that has no divisor in common with the number of strata: a sample that is smaller
  // than that takes from all of them evenly.
  std::uint64_t stride = strata.total() / 2 + 1;
  while (std::gcd(stride, strata.total()) != 1) ++stride;
  Choice choice(section.dimensions.size());
  std::unordered_set<std::uint64_t> taken;
  for (std::uint64_t i = 0; i < wanted; ++i) {
    for (unsigned attempt = 0; attempt < kAttempts; ++attempt) {
      std::uint64_t random = mix(seed ^ mix(section.id) ^ mix(i * kAttempts + attempt));
      for (std::size_t d = 0; d < choice.size(); ++d) {
        const Dimension& dimension = section.dimensions[d];
        const bool usual = dimension.usual && random >> 62 != 0;
        choice[d] = usual ? *dimension.usual : static_cast<unsigned>(random % dimension.values.size());
        random = mix(random);
      }
      strata.fix(section, i % strata.total() * stride % strata.total(), choice);
      if (Built built = section.build(choice); !built.value) {
        ++part.illegal;
      } else if (taken.insert(section.number(choice)).second) {
        plan.cases.push_back(finished(section, choice, std::move(*built.value)));
        break;
      }
    }
  }
}

}  // namespace

std::uint64_t Section::size() const {
  std::uint64_t size = 1;
  for (const Dimension& d : dimensions) size *= d.values.size();
  return size;
}

std::uint64_t Section::number(const Choice& choice) const {
  std::uint64_t index = 0;
  for (std::size_t d = dimensions.size(); d-- > 0;) index = index * dimensions[d].values.size() + choice[d];
  return id * kNumbersPerSection + index;
}

Choice Section::choice(std::uint64_t index) const {
  Choice choice(dimensions.size());
  for (std::size_t d = 0; d < choice.size(); ++d) {
    choice[d] = static_cast<unsigned>(index % dimensions[d].values.size());
    index /= dimensions[d].values.size();
  }
  return choice;
}

Result<Case> find_case(const std::vector<Section>& matrix, std::uint64_t number) {
  const std::uint64_t id = number / kNumbersPerSection, index = number % kNumbersPerSection;
  const auto section = std::ranges::find(matrix, id, &Section::id);
  if (section == matrix.end()) return fail(fmt::format("case {}: there is no section {}", number, id));
  if (index >= section->size()) {
    return fail(fmt::format("case {}: section {} ends at {}", number, section->name,
                            id * kNumbersPerSection + section->size() - 1));
  }
  const Choice choice = section->choice(index);
  Built built = section->build(choice);
  if (!built.value) return fail(fmt::format("case {} is left out: {}", number, built.reason));
  return finished(*section, choice, std::move(*built.value));
}

Plan plan(const std::vector<Section>& matrix, const Selection& selection) {
  // Small sections first: what they do not need of their share goes to the larger ones.
  std::vector<const Section*> order;
  for (const Section& s : matrix) order.push_back(&s);
  // Those that cannot run come before everything.
  std::ranges::stable_sort(order, {}, [&](const Section* s) { return can_run(*s, selection) ? s->size() : 0; });
  std::uint64_t left = selection.cases;
  Plan result;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Section& section = *order[i];
    const bool runs = can_run(section, selection);
    const std::uint64_t unsupported = std::min(kUnsupportedShare, selection.cases / 100 + 1);
    const std::uint64_t share = std::min(left / (order.size() - i), runs ? left : unsupported);
    const std::uint64_t limit = selection.full && runs ? std::max(share, kWholeUpTo) : share;
    Plan::Part part{&section, section.size(), 0, 0, section.size() <= limit};
    const std::size_t before = result.cases.size();
    if (part.whole) {
      take_whole(section, result, part);
    } else {
      take_sample(section, share, selection.seed, result, part);
    }
    part.planned = result.cases.size() - before;
    left -= std::min(left, part.planned);
    result.parts.push_back(part);
  }
  std::ranges::sort(result.parts, {}, [](const Plan::Part& p) { return p.section->id; });
  return result;
}

}  // namespace faultline::vmm::conform

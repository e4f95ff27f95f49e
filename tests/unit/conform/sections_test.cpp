// What sections expect, against rules written down a second time.
#include <gtest/gtest.h>

#include <algorithm>

#include "vmm/conform/expectation.hpp"
#include "vmm/conform/matrix.hpp"

namespace faultline::vmm::conform {
namespace {

constexpr model::Cpu kCpu{46, true, true, false};

// All cases of a section.
std::vector<Case> cases_of(std::string_view name) {
  const std::vector<Section> matrix = make_matrix(kCpu);
  const Section& section = *std::ranges::find(matrix, name, &Section::name);
  std::vector<Case> cases;
  for (std::uint64_t index = 0; index < section.size(); ++index) {
    if (Built built = section.build(section.choice(index)); built.value) cases.push_back(std::move(*built.value));
  }
  return cases;
}

bool allows(const Case& c, unsigned vector) {
  return std::ranges::any_of(expect(c, kCpu), [vector](const Expected& e) { return e.outcome.vector == vector; });
}

// A page goes. Its translation may be used until it is invalidated under the PCID that uses it; a global one is
// everybody's, and INVPCID spares it but for type 2.
bool may_be_stale(const Change& change, bool global) {
  const Pcids& p = *change.pcids;
  if (global) return change.flush != Flush::kInvlpg && change.flush != Flush::kInvpcidAll;
  const bool cached = p.last == p.first || p.last == p.store;
  bool invalidated = !p.keep;
  switch (change.flush) {
    case Flush::kNone: break;
    case Flush::kInvlpg: invalidated |= p.store == p.last; break;
    case Flush::kInvpcidAddress:
    case Flush::kInvpcidContext: invalidated |= p.invalidated == p.last; break;
    default: invalidated = true;
  }
  return cached && !invalidated;
}

TEST(Sections, WhatIsCachedBelongsToItsPcid) {
  unsigned stale = 0, compared = 0;
  for (const Case& c : cases_of("pcid")) {
    constexpr std::uint64_t kPresent = 1, kGlobal = 1U << 8;
    const bool page_goes =
        c.change->level == c.leaf_a && (c.a[c.leaf_a] & kPresent) != 0 && (c.change->value & kPresent) == 0;
    if (!page_goes) continue;
    const bool want = may_be_stale(*c.change, (c.a[c.leaf_a] & kGlobal) != 0);
    EXPECT_EQ(allows(c, model::kNoFault), want) << "invalidation " << static_cast<int>(c.change->flush);
    EXPECT_TRUE(allows(c, model::kPageFault));
    stale += want, ++compared;
  }
  EXPECT_EQ(compared, 2U * 2 * 3 * 2 * 2 * 2 * 8 * 2 * 2 * 2);
  EXPECT_GT(stale, compared / 8);
  EXPECT_LT(stale, compared * 3 / 4);
}

TEST(Sections, AReadOnlyTableKeepsItsFlags) {
  unsigned allowed = 0;
  for (const Case& c : cases_of("memory")) {
    if (c.storage != Storage::kReadOnly) continue;
    for (const Expected& e : expect(c, kCpu)) {
      allowed += e.outcome.rule == model::Rule::kReadOnlyTable;
      for (const model::EntryAfter& entry : e.outcome.entries) {
        if (entry.level == c.stored_level) {
          EXPECT_EQ(entry.must | entry.may, 0U);
        }
        if (entry.level != c.stored_level && e.outcome.vector == model::kNoFault) {
          EXPECT_NE(entry.must, 0U);
        }
      }
    }
  }
  EXPECT_GT(allowed, 500U);
}

TEST(Sections, WithoutATableThereIsAlwaysAFault) {
  unsigned cases = 0;
  for (const Case& c : cases_of("memory")) {
    if (c.storage != Storage::kAbsent) continue;
    const Expectation e = expect(c, kCpu);
    // An instruction that reads and writes may fault as either.
    ASSERT_EQ(e.size(), c.instruction().touches[0].kind == model::Kind::kReadWrite ? 4U : 2U);
    for (std::size_t i = 0; i < e.size(); ++i) {
      const bool ones = i >= e.size() / 2;
      EXPECT_EQ(e[i].outcome.error & 9, ones ? 9U : 0U) << "not present, or reserved bits";
    }
    ++cases;
  }
  EXPECT_GT(cases, 100U);
}

// The segment load of user code is no user access.
TEST(Sections, ImplicitAccessesAreASupervisors) {
  unsigned denied = 0;
  for (const Case& c : cases_of("implicit")) {
    for (const Expected& e : expect(c, kCpu)) {
      EXPECT_EQ(e.outcome.error & 4, 0U);
      denied += e.outcome.rule == model::Rule::kImplicit && c.user && c.ac;
    }
  }
  EXPECT_GT(denied, 100U);
}

}  // namespace
}  // namespace faultline::vmm::conform

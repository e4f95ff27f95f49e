#include <gmock/gmock.h>

#include "vmm/fuzz/coverage.hpp"

namespace faultline::vmm::fuzz {
namespace {

using mmu::FaultResult;
using mmu::FaultStep;
using testing::HasSubstr;

mmu::Walk walk_to(mmu::WalkEnd end, mmu::Level level, std::uint64_t entry, mmu::Rights rights = {}) {
  mmu::Walk walk;
  walk.end = end;
  walk.count = 1;
  walk.steps[0] = {.level = level, .slot = {}, .entry = mmu::Pte(entry), .rights = rights};
  return walk;
}

mmu::FaultOutcome outcome(FaultResult result, FaultStep step) {
  mmu::FaultOutcome o;
  o.result = result;
  o.path.add(FaultStep::kVmaLocked);
  o.path.add(step);
  return o;
}

const mmu::FaultOutcome kZeroPage = outcome(FaultResult::kResolved, FaultStep::kAnonymousZero);

TEST(Coverage, AFeatureTellsWhatWasMet) {
  const auto read = feature(Touch::kRead, walk_to(mmu::WalkEnd::kNotPresent, 3, 0), {}, &kZeroPage);
  const Met met = unpack_met(read);
  EXPECT_EQ(met.touch, Touch::kRead);
  EXPECT_EQ(met.level, 3);
  EXPECT_EQ(met.state, static_cast<int>(WalkState::kEmpty));
  EXPECT_EQ(met.outcome, static_cast<int>(FaultResult::kResolved) + 2);
  EXPECT_EQ(met.step, static_cast<int>(FaultStep::kAnonymousZero));
  EXPECT_EQ(pack(met), read);

  const auto mapped = walk_to(mmu::WalkEnd::kMapped, 1, 1, {.write = true, .user = true, .execute = false});
  const Met made = unpack_met(feature(Touch::kWrite, mapped, {.nxe = false, .wp = true}, nullptr));
  EXPECT_EQ(made.level, 0);
  EXPECT_EQ(made.state, static_cast<int>(WalkState::kMapped) + 7);
  EXPECT_EQ(made.outcome, 0);
  EXPECT_EQ(made.step, Met::kNoStep);
  EXPECT_FALSE(made.nxe);
  EXPECT_EQ(unpack_met(exception_feature(Touch::kRead, walk_to(mmu::WalkEnd::kNonCanonical, 0, 0), {})).level, 5);
}

TEST(Coverage, OnlyWhatIsNewCounts) {
  Coverage coverage;
  const auto one = feature(Touch::kRead, walk_to(mmu::WalkEnd::kNotPresent, 3, 0), {}, &kZeroPage);
  const auto two = feature(Touch::kFetch, walk_to(mmu::WalkEnd::kNotPresent, 3, 0), {}, &kZeroPage);
  EXPECT_EQ(coverage.percent(), 0);
  EXPECT_EQ(coverage.add(std::vector{one, one}), 1U);
  EXPECT_EQ(coverage.share().met, 4U);  // one combination of each table
  EXPECT_EQ(coverage.add(std::vector{one, two}), 1U);
  EXPECT_EQ(coverage.share().met, 7U) << "where the zero page comes from is known already";
  EXPECT_GT(coverage.percent(), 0);
  EXPECT_LT(coverage.percent(), 5);
  EXPECT_EQ(coverage.share().unforeseen, 0U);
}

TEST(Coverage, TheUniverseIsWhatTheMeansAllow) {
  const Coverage plain, raw(Means{.raw = true}), all(Means{.raw = true, .failures = true});
  EXPECT_GT(plain.share().of, 200U);
  EXPECT_GT(raw.share().of, plain.share().of);
  EXPECT_GT(all.share().of, raw.share().of);
  for (unsigned t = 0; t < kTables; ++t)
    EXPECT_EQ(plain.missing(static_cast<Table>(t)).size(), plain.share(static_cast<Table>(t)).of);
}

TEST(Coverage, WhatCannotBeIsSaidWithItsReasonWhenItIs) {
  Coverage coverage;
  const mmu::FaultOutcome corrupted = outcome(FaultResult::kPgtableBad, FaultStep::kPgtableBad);
  coverage.add(std::vector{feature(Touch::kRead, walk_to(mmu::WalkEnd::kReservedBit, 2, 1), {}, &corrupted)});
  EXPECT_EQ(coverage.share().met, 0U);
  EXPECT_THAT(coverage.unforeseen(Table::kDecision),
              testing::ElementsAre(testing::AllOf(HasSubstr("read"), HasSubstr("--raw"))));
  // The same with raw operations is no surprise.
  Coverage raw(Means{.raw = true});
  raw.merge(coverage);
  EXPECT_EQ(raw.share().unforeseen, 0U);
  EXPECT_EQ(raw.share().met, 4U);
}

TEST(Coverage, CallsAreFeaturesOutsideTheUniverse) {
  Coverage coverage;
  const Operation unmap{Op::kUnmap, {pack(Address{0, 0}), 4096}};
  StepResult fine, refused;
  refused.result = -EINVAL;
  EXPECT_EQ(coverage.add(std::vector{call_feature(unmap, fine), call_feature(unmap, refused)}), 2U);
  EXPECT_EQ(coverage.share().met, 0U);
  Operation elsewhere = unmap;
  elsewhere.operands[0] = pack(Address{1, 4096});
  EXPECT_EQ(call_feature(unmap, fine), call_feature(elsewhere, fine)) << "an address is no feature";
}

TEST(Coverage, IsReadBackAsItWasWritten) {
  Coverage coverage;
  coverage.add(std::vector{feature(Touch::kRead, walk_to(mmu::WalkEnd::kNotPresent, 3, 0), {}, &kZeroPage),
                           feature(Touch::kFetch, walk_to(mmu::WalkEnd::kNotPresent, 1, 0), {}, &kZeroPage)});
  const auto bytes = coverage.serialise();
  const auto again = Coverage::parse(bytes, "coverage", {});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->sorted(), coverage.sorted());
  EXPECT_EQ(again->share().met, coverage.share().met);
}

TEST(Coverage, DamageIsRefusedWithItsByte) {
  Coverage coverage;
  coverage.add(std::vector<std::uint32_t>{1, 2, 3});
  const auto bytes = coverage.serialise();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto cut = Coverage::parse(std::span(bytes).first(length), "there/coverage", {});
    ASSERT_FALSE(cut) << length;
    EXPECT_THAT(cut.error().message, HasSubstr("there/coverage: byte "));
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto wrong = bytes;
    wrong[at] ^= std::byte{0x10};
    EXPECT_FALSE(Coverage::parse(wrong, "there/coverage", {})) << at;
  }
}

// What a file holds is somebody else's: no value of a feature is out of bounds.
TEST(Coverage, AnyFeatureIsHarmless) {
  Coverage coverage(Means{.raw = true, .failures = true});
  std::uint32_t x = 1;
  for (int i = 0; i < 100'000; ++i) coverage.add(std::vector{x = x * 1'664'525 + 1'013'904'223});
  EXPECT_LE(coverage.share().met, coverage.share().of);
}

}  // namespace
}  // namespace faultline::vmm::fuzz

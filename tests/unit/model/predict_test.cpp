#include "tests/model/predict.hpp"

#include <gtest/gtest.h>

#include "tests/unit/model/tables.hpp"

namespace faultline::model::test {
namespace {

constexpr std::uint64_t kNx = 1ULL << 63;

class EveryMode : public testing::TestWithParam<Paging> {};

TEST_P(EveryMode, AnOpenPageIsReachedAndGetsItsFlags) {
  Machine m(GetParam());
  const Answer answer = m.access(Kind::kWrite, true);
  ASSERT_EQ(answer.size(), 1U);
  EXPECT_EQ(answer[0].vector, kNoFault);
  EXPECT_EQ(answer[0].pages[0].physical, Gpa(0x9000));
  EXPECT_EQ(answer[0].entries.size(), memory_levels(GetParam()));
  EXPECT_EQ(answer[0].entries.back().must, 0x60U);
  EXPECT_EQ(answer[0].entries.front().must, 0x20U);
}

TEST_P(EveryMode, AnAbsentEntryOfAnyLevelFaultsWithoutP) {
  for (unsigned level = 1; level <= memory_levels(GetParam()); ++level) {
    Machine m(GetParam());
    m.entry(level) &= ~1ULL;
    const Answer answer = m.access(Kind::kWrite, true);
    ASSERT_EQ(answer.size(), 1U);
    EXPECT_EQ(answer[0].error, 6U);
    EXPECT_EQ(answer[0].cr2, m.address);
    EXPECT_EQ(answer[0].rule, Rule::kNotPresent);
    EXPECT_EQ(answer[0].level, level);
  }
}

TEST_P(EveryMode, RightsOfAllLevelsCount) {
  for (unsigned level = 1; level <= memory_levels(GetParam()); ++level) {
    Machine m(GetParam());
    m.entry(level) &= ~2ULL;
    EXPECT_EQ(m.access(Kind::kWrite, true)[0].error, 7U);
    EXPECT_EQ(m.access(Kind::kWrite)[0].error, 3U);
    EXPECT_EQ(m.access(Kind::kRead, true)[0].vector, kNoFault);
    m.controls.wp = false;
    EXPECT_EQ(m.access(Kind::kWrite)[0].vector, kNoFault);
    m.entry(level) &= ~4ULL;
    EXPECT_EQ(m.access(Kind::kRead, true)[0].error, 5U);
  }
}

TEST_P(EveryMode, StraddlingFaultsAtTheFirstByteOfTheSecondPage) {
  Machine m(GetParam());
  m.address = Gva((m.address.raw() & ~kPageMask) + 0xffd);
  const Answer answer = m.access(Kind::kRead, true);
  ASSERT_EQ(answer.size(), 1U);
  EXPECT_EQ(answer[0].rule, Rule::kStraddle);
  EXPECT_EQ(answer[0].cause, Rule::kNotPresent);
  EXPECT_EQ(answer[0].cr2.raw(), (m.address.raw() | kPageMask) + 1);
  m.entry(1) &= ~1ULL;
  EXPECT_EQ(m.access(Kind::kRead, true).size(), 2U) << "either half may fault first";
}

INSTANTIATE_TEST_SUITE_P(Modes, EveryMode,
                         testing::Values(Paging::kTwoLevel, Paging::kPae, Paging::kFourLevel, Paging::kFiveLevel),
                         [](const auto& mode) {
                           std::string text(name(mode.param));
                           std::erase(text, '-');
                           return text;
                         });

TEST(Predict, WithoutPagingNothingIsDenied) {
  Machine m(Paging::kNone);
  m.controls.smap = m.controls.smep = true;
  const Answer answer = m.access(Kind::kWrite, true);
  EXPECT_EQ(answer[0].vector, kNoFault);
  EXPECT_EQ(answer[0].pages[0].physical.raw(), m.address.raw() & ~kPageMask);
}

TEST(Predict, ReservedBitsComeWithPAndWin) {
  Machine m(Paging::kFourLevel);
  m.entry(2) = (m.entry(2) | 1ULL << 50) & ~4ULL;
  EXPECT_EQ(m.access(Kind::kRead, true)[0].error, 0xdU);
  m.entry(2) &= ~(1ULL << 50);
  m.entry(1) |= kNx;
  m.controls.nxe = false;
  EXPECT_EQ(m.access(Kind::kFetch)[0].error, 9U) << "NX is reserved, and I is not reported";
}

TEST(Predict, TheFetchBitNeedsNxeOrSmep) {
  Machine m(Paging::kFourLevel);
  m.entry(1) &= ~1ULL;
  EXPECT_EQ(m.access(Kind::kFetch)[0].error, 0x10U);
  m.controls.nxe = false;
  EXPECT_EQ(m.access(Kind::kFetch)[0].error, 0U);
  m.controls.smep = true;
  EXPECT_EQ(m.access(Kind::kFetch)[0].error, 0x10U);
}

TEST(Predict, SmepAndSmapGuardUserPagesFromSupervisors) {
  Machine m(Paging::kFourLevel);
  m.controls.smep = m.controls.smap = true;
  EXPECT_EQ(m.access(Kind::kFetch)[0].error, 0x11U);
  EXPECT_EQ(m.access(Kind::kRead)[0].error, 1U);
  EXPECT_EQ(m.access(Kind::kRead, false, 8, true)[0].vector, kNoFault);
  Access implicit{.address = m.address, .implicit = true, .ac = true};
  EXPECT_EQ(predict(m.tables, m.cpu, m.controls, implicit)[0].rule, Rule::kImplicit);
  EXPECT_EQ(m.access(Kind::kRead, true)[0].vector, kNoFault);
}

TEST(Predict, KeysDenyDataOfTheirKind) {
  Machine m(Paging::kFourLevel);
  m.entry(1) |= 5ULL << 59;
  m.controls.pke = true;
  m.controls.pkru = 2U << 10;
  EXPECT_EQ(m.access(Kind::kRead, true)[0].vector, kNoFault);
  EXPECT_EQ(m.access(Kind::kWrite, true)[0].error, 0x27U);
  EXPECT_EQ(m.access(Kind::kFetch, true)[0].vector, kNoFault);
  m.controls.wp = false;
  EXPECT_EQ(m.access(Kind::kWrite)[0].vector, kNoFault);
  m.entry(1) &= ~4ULL;
  EXPECT_EQ(m.access(Kind::kWrite, true)[0].error, 7U) << "a supervisor page has PKRS";
  m.controls.pks = true;
  m.controls.pkrs = 1U << 10;
  EXPECT_EQ(m.access(Kind::kRead)[0].error, 0x21U);
}

TEST(Predict, NonCanonicalIsNeverAPageFault) {
  Machine m(Paging::kFourLevel);
  m.address = Gva(0x0000'8000'0000'0000);
  EXPECT_EQ(m.access(Kind::kRead)[0].vector, kGeneralProtection);
  Access push{.address = m.address, .kind = Kind::kWrite, .stack = true};
  EXPECT_EQ(predict(m.tables, m.cpu, m.controls, push)[0].vector, kStackFault);
  EXPECT_TRUE(canonical(Paging::kFiveLevel, m.address));
}

TEST(Predict, AReadModifyWriteMayFaultAsEither) {
  Machine m(Paging::kFourLevel);
  m.entry(1) &= ~1ULL;
  const Answer absent = m.access(Kind::kReadWrite, true);
  ASSERT_EQ(absent.size(), 2U);
  EXPECT_EQ(absent[0].error, 6U);
  EXPECT_EQ(absent[1].error, 4U);
  m.entry(1) = (m.entry(1) | 1) & ~2ULL;
  ASSERT_EQ(m.access(Kind::kReadWrite, true).size(), 1U) << "the read is allowed: only the write can fault";
}

}  // namespace
}  // namespace faultline::model::test

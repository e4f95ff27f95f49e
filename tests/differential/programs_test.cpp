// The guest's own programs (guest/programs) and the libc programs beside them.
#include <gtest/gtest.h>

#include "tests/differential/tables.hpp"

namespace faultline::test {
namespace {

class ProgramsTest : public testing::TestWithParam<Row> {};

TEST_P(ProgramsTest, SameNativelyAndInTheGuest) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam());
}

TEST_P(ProgramsTest, SameNativelyAndHosted) {
  if (const auto why = why_no_hosted(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam(), {"--backend", "hosted"});
}

// Quiet, because children that are killed have no report natively.
class ProcessesTest : public testing::TestWithParam<Row> {};

TEST_P(ProcessesTest, SameNativelyAndInTheGuest) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam(), {"-q"});
}

TEST_P(ProcessesTest, SameNativelyAndHosted) {
  if (const auto why = why_no_hosted(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam(), {"-q", "--backend", "hosted"});
}

std::string row_name(const testing::TestParamInfo<Row>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Situations, ProgramsTest, testing::ValuesIn(situations()), row_name);
INSTANTIATE_TEST_SUITE_P(Libc, ProgramsTest, testing::ValuesIn(libc_programs()), row_name);
INSTANTIATE_TEST_SUITE_P(Libc, ProcessesTest, testing::ValuesIn(process_programs()), row_name);

}  // namespace
}  // namespace faultline::test

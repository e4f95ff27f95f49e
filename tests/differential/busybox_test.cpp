// busybox applets on files and standard input: the main job of `faultline run`.
#include <gtest/gtest.h>

#include "tests/differential/tables.hpp"

namespace faultline::test {
namespace {

class BusyboxTest : public testing::TestWithParam<Row> {};

TEST_P(BusyboxTest, SameNativelyAndInTheGuest) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam());
}

TEST_P(BusyboxTest, SameNativelyAndHosted) {
  if (const auto why = why_no_hosted(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam(), {"--backend", "hosted"});
}

std::string row_name(const testing::TestParamInfo<Row>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Digests, BusyboxTest, testing::ValuesIn(digests()), row_name);
INSTANTIATE_TEST_SUITE_P(Compression, BusyboxTest, testing::ValuesIn(compression()), row_name);
INSTANTIATE_TEST_SUITE_P(Text, BusyboxTest, testing::ValuesIn(text_tools()), row_name);
INSTANTIATE_TEST_SUITE_P(FilesAndSystem, BusyboxTest, testing::ValuesIn(files_and_system()), row_name);
INSTANTIATE_TEST_SUITE_P(Shell, BusyboxTest, testing::ValuesIn(shell()), row_name);

}  // namespace
}  // namespace faultline::test

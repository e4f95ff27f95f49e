// A static SQLite at work on a database file, alone and with a second process.
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/differential/compare.hpp"

namespace faultline::test {
namespace {

class SqliteTest : public testing::TestWithParam<Row> {
 protected:
  void SetUp() override {
    if (::access(guest_program("database").c_str(), X_OK) != 0) GTEST_SKIP() << "no static SQLite (tools/deps)";
  }
};

TEST_P(SqliteTest, SameNativelyAndInTheGuest) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam());
}

TEST_P(SqliteTest, SameNativelyAndHosted) {
  if (const auto why = why_no_hosted(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam(), {"--backend", "hosted"});
}

std::string row_name(const testing::TestParamInfo<Row>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Journal, SqliteTest,
                         testing::Values(Row{.name = "rollback", .argv = {"@database", "data.db"}},
                                         Row{.name = "write_ahead", .argv = {"@database", "data.db", "wal"}}),
                         row_name);

}  // namespace
}  // namespace faultline::test

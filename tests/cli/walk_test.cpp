// `faultline walk`: the memory that a program leaves behind.
#include "tests/cli/cli.hpp"

namespace faultline::test {
namespace {

using testing::HasSubstr;

class WalkTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_guest(); !why.empty()) GTEST_SKIP() << why;
  }
  static ProcessResult walk(std::vector<std::string> options) {
    options.insert(options.begin(), "walk");
    options.insert(options.end(), {"--", guest_program("anonymous")});
    return faultline(options);
  }
};

TEST_F(WalkTest, VmasAreTheDefaultAndNameTheProgramAndItsStack) {
  const auto result = walk({});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("wrong=0\n"));  // the program's own output comes first
  EXPECT_THAT(result.out, HasSubstr("r-xp"));
  EXPECT_THAT(result.out, HasSubstr("[stack]"));
  EXPECT_THAT(result.out, HasSubstr("/anonymous"));
}

TEST_F(WalkTest, AddressIsExplainedLevelByLevel) {
  const auto result = walk({"--address", "0x400000", "--address", "0x10"});
  EXPECT_EQ(result.status, 0) << result.err;
  for (const char* level : {"PML4E", "PDPTE", "PDE", "PTE"}) EXPECT_THAT(result.out, HasSubstr(level));
  EXPECT_THAT(result.out, HasSubstr("0x400000: "));
  EXPECT_THAT(result.out, HasSubstr("0x10: "));
}

TEST_F(WalkTest, NonCanonicalAndKernelAddressesAreAnswered) {
  const auto result = walk({"--address", "0x8000000000000000", "--address", "0xffffffffffffffff"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("0x8000000000000000: "));
}

TEST_F(WalkTest, TreeShowsTheRootAndItsLeaves) {
  const auto result = walk({"--tree"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("root table"));
  EXPECT_THAT(result.out, HasSubstr("0x000000400000"));
}

TEST_F(WalkTest, StatusIsTheProgramsOwn) {
  EXPECT_EQ(faultline({"walk", "--", guest_program("exit_status"), "9"}).status, 9);
  EXPECT_EQ(faultline({"walk", "--quiet", "--", guest_program("null_read")}).status, 128 + 11);
}

}  // namespace
}  // namespace faultline::test

// Standard error that nobody can write to: the status is what it would have been.
#include "tests/cli/cli.hpp"

namespace faultline::test {
namespace {

int status_into_full_device(const std::string& arguments) {
  return run_process({.argv = {"/bin/sh", "-c", std::string(FAULTLINE_CLI) + " " + arguments + " 2>/dev/full"}}).status;
}

TEST(BrokenOutput, AMessageThatCannotBeSaid) {
  EXPECT_EQ(status_into_full_device("run --multiboot /nonexistent"), 127);
  EXPECT_EQ(status_into_full_device("run --multiboot /dev/null"), 126);
}

TEST(BrokenOutput, AUsageErrorThatCannotBeSaid) { EXPECT_EQ(status_into_full_device("run --no-such-option"), 2); }

}  // namespace
}  // namespace faultline::test

// Standard error that nobody can write to: the status is what it would have been. Standard output that cannot be
// written to is a failure, and told.
#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

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

// Nothing that is opened takes the number of what was closed: the guest's output would go there.
TEST(BrokenOutput, WhatWasClosedIsClosedForTheGuest) {
  if (const auto why = why_no_guest(); !why.empty()) GTEST_SKIP() << why;
  const ScratchFolder folder;
  const auto shell = [](const std::string& command) {
    return run_process({.argv = {"/bin/sh", "-c", FAULTLINE_CLI " " + command}});
  };
  const auto out = shell("run /bin/busybox echo lost >&-");
  EXPECT_EQ(out.status, 1);
  EXPECT_EQ(out.err, "echo: write error: Bad file descriptor\n");
  const auto in = shell("run /bin/busybox cat <&-");
  EXPECT_EQ(in.status, 1);
  EXPECT_EQ(in.err, "cat: read error: Bad file descriptor\n");
  EXPECT_EQ(shell("run --fault-log " + folder.path("log") + " /bin/busybox echo lost >&- 2>&-").status, 1);
  EXPECT_THAT(folder.contents().at("log"), testing::StartsWith("fault #1 on "));
}

TEST(BrokenOutput, WhatCannotBePrintedIsAFailure) {
  const ScratchFolder folder;
  folder.write("p.txt", "faultline-fuzz 1\nfork\n");
  for (const std::string& arguments :
       {std::string("doctor"), std::string("doctor --json"), std::string("conform --list"),
        std::string("fuzz generate"), "fuzz run --judges reference,model " + folder.path() + "/p.txt",
        "fuzz --judges reference,model --programs 1 " + folder.path() + "/campaign"}) {
    const auto result = run_process({.argv = {"/bin/sh", "-c", FAULTLINE_CLI " " + arguments + " >/dev/full"}});
    EXPECT_EQ(result.status, 125) << arguments;
    EXPECT_THAT(result.err, testing::HasSubstr("faultline: standard output: No space left on device\n")) << arguments;
  }
}

}  // namespace
}  // namespace faultline::test

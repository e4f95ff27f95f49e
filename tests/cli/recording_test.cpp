// `faultline run --record` as a user meets it: refusals, a full disk, a kill.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using testing::HasSubstr;

class RecordingTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_guest(); !why.empty()) GTEST_SKIP() << why;
  }
  ScratchFolder folder_;
  std::string path_ = folder_.path("recording");
};

TEST_F(RecordingTest, OptionsThatMakeNoSenseAreRefused) {
  const std::string program = guest_program("exit_status");
  expect_usage_error(faultline({"run", "--record-registers", "--", program}));
  expect_usage_error(faultline({"run", "--record-limit", "64M", "--", program}));
  expect_usage_error(faultline({"run", "--record", path_, "--record-limit", "4K", "--", program}));
  const auto refused = faultline({"run", "--record", "/no/such/folder/file", "--", program});
  expect_one_line(refused);
  EXPECT_EQ(refused.status, 2);
}

TEST_F(RecordingTest, AFullDiskIsSaidAndTheRunGoesOn) {
  const auto run = faultline({"run", "--record", "/dev/full", "--", guest_program("exit_status"), "0"});
  EXPECT_EQ(run.status, 125);
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 2) << run.err;
  EXPECT_THAT(run.err, HasSubstr("cannot write the recording /dev/full: No space left on device\n"));
  EXPECT_THAT(run.err, HasSubstr("events are lost\n"));
  // A status of the program's own is not hidden.
  EXPECT_EQ(faultline({"run", "--record", "/dev/full", "--", guest_program("exit_status"), "3"}).status, 3);
}

TEST_F(RecordingTest, AKillLeavesWhatCanBeRead) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const std::string program = guest_program("syscall_forever");
    ::execl(FAULTLINE_CLI, FAULTLINE_CLI, "run", "--record", path_.c_str(), "--", program.c_str(), nullptr);
    ::_exit(1);
  }
  std::error_code none;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < until) {
    const auto bytes = std::filesystem::file_size(path_, none);
    if (!none && bytes > 8192) break;
    ::usleep(10'000);
  }
  ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto read = faultline({"inspect", path_});
  EXPECT_THAT(read.out, HasSubstr("getpid"));
  EXPECT_THAT(read.out + read.err, HasSubstr("cut off after event"));
}

}  // namespace
}  // namespace faultline::test

// `faultline run --multiboot`: what a kernel prints, the exit status, and what is refused.
#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr int kDied = 123, kLimit = 124, kCannotExecute = 126, kNotFound = 127;

const std::string& kernel() {
  static const std::string path = guest_program("multiboot_kernel");
  return path;
}

// Needs /dev/kvm: there is no other backend for a kernel.
class MultibootCli : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  }
  static ProcessResult boot(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"run", "--memory", "32M", "--time-limit", "60"});
    return faultline(arguments);
  }
};

TEST_F(MultibootCli, PrintsAndReturnsAsQemuWould) {
  for (int value : {0, 1, 7}) {
    const auto result = boot({"--multiboot", kernel(), "--", "the", "arguments", std::to_string(value)});
    EXPECT_EQ(result.status, value << 1 | 1) << result.err;
    EXPECT_EQ(result.err, "");
    EXPECT_THAT(result.out,
                HasSubstr("\ncommand line: " + kernel() + " the arguments " + std::to_string(value) + "\n"));
  }
}

TEST_F(MultibootCli, Module) {
  const ScratchFolder folder;
  folder.write("module", "its contents");
  const auto result = boot({"--multiboot", kernel(), "--module", folder.path("module"), "--", "0"});
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_THAT(result.out, EndsWith("module " + folder.path("module") + ":its contents\n"));
}

TEST_F(MultibootCli, OtherEnds) {
  const auto died = boot({"--multiboot", kernel(), "--", "t"});
  EXPECT_EQ(died.status, kDied);
  EXPECT_THAT(died.err, HasSubstr("the vCPU died: triple fault"));
  EXPECT_EQ(std::count(died.err.begin(), died.err.end(), '\n'), 1);
  const auto limited = faultline({"run", "--time-limit", "200ms", "--multiboot", kernel(), "--", "l"});
  EXPECT_EQ(limited.status, kLimit);
  EXPECT_THAT(limited.err, HasSubstr("stopped by the time limit"));
}

TEST_F(MultibootCli, SignalsEndIt) {
  const auto script = std::string(FAULTLINE_CLI) + " run --time-limit 60 --multiboot " + kernel() +
                      " -- l >/dev/null & sleep 0.5; kill -TERM $!; wait $!";
  const auto result = run_process({.argv = {"/bin/sh", "-c", script}});
  EXPECT_EQ(result.status, 128 + 15) << result.err;
}

TEST_F(MultibootCli, AReaderThatDoesNotReadHoldsNothingUp) {
  const ScratchFolder folder;
  // A pipe holds 65536 bytes.
  const auto script = "mkfifo p && exec 3<>p && head -c 65000 /dev/zero >p && " + std::string(FAULTLINE_CLI) +
                      " run --time-limit 500ms --multiboot " + kernel() + " -- f >p 2>/dev/null; echo $?";
  const auto result =
      run_process({.argv = {"/bin/sh", "-c", script}, .folder = folder.path(), .timeout = std::chrono::seconds(20)});
  EXPECT_FALSE(result.timed_out);
  EXPECT_EQ(result.out, std::to_string(kLimit) + "\n");
}

TEST_F(MultibootCli, TooLittleMemory) {
  const ScratchFolder folder;
  folder.write("module", std::string(5 << 20, 'm'));
  const auto result = faultline({"run", "--memory", "4M", "--multiboot", kernel(), "--module", folder.path("module")});
  expect_one_line(result);
  EXPECT_EQ(result.status, kCannotExecute);
  EXPECT_THAT(result.err, HasSubstr("raise --memory"));
}

// The image is looked at before anything is asked of KVM.
TEST(MultibootRefusals, FilesThatAreNoKernels) {
  const ScratchFolder folder;
  folder.write("empty", "");
  folder.write("zeroes", std::string(100'000, '\0'));
  for (const std::string& path : {folder.path("empty"), folder.path("zeroes"), guest_program("exit_status")}) {
    const auto result = faultline({"run", "--multiboot", path});
    expect_one_line(result);
    EXPECT_EQ(result.status, kCannotExecute) << path;
    EXPECT_THAT(result.err, HasSubstr("no multiboot header"));
  }
  for (const std::string& path : {folder.path(), std::string("/dev/null")}) {
    const auto result = faultline({"run", "--multiboot", path});
    expect_one_line(result);
    EXPECT_EQ(result.status, kCannotExecute) << path;
  }
}

TEST(MultibootRefusals, FilesThatAreNotThere) {
  const ScratchFolder folder;
  for (const std::vector<std::string>& files :
       {std::vector<std::string>{"--multiboot", folder.path("missing")},
        std::vector<std::string>{"--multiboot", kernel(), "--module", folder.path("missing")}}) {
    std::vector<std::string> arguments = {"run"};
    arguments.insert(arguments.end(), files.begin(), files.end());
    const auto result = faultline(arguments);
    expect_one_line(result);
    EXPECT_EQ(result.status, kNotFound) << result.err;
  }
}

TEST(MultibootRefusals, OptionsThatMakeNoSense) {
  for (const std::vector<std::string>& extra : std::vector<std::vector<std::string>>{{"--strace"},
                                                                                     {"--stats"},
                                                                                     {"--no-files"},
                                                                                     {"--paging", "5"},
                                                                                     {"--backend", "hosted"},
                                                                                     {"--memory", "4G"},
                                                                                     {"--fault-log", "-"},
                                                                                     {"--no-such-option"},
                                                                                     {"word"}}) {
    std::vector<std::string> arguments = {"run", "--multiboot", kernel()};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    SCOPED_TRACE(extra.front());
    expect_usage_error(faultline(arguments));
  }
  expect_usage_error(faultline({"run", "--module", kernel(), "--", guest_program("exit_status")}));
  expect_usage_error(faultline({"run", "--multiboot", ""}));
  expect_usage_error(faultline({"run", "--multiboot"}));
}

}  // namespace
}  // namespace faultline::test

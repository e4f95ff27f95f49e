// What the guest sees of the host: environment, files, descriptors; and how options narrow it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class GuestWorldTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_guest(); !why.empty()) GTEST_SKIP() << why;
    folder_.write("inside", "inside\n");
    ::mkdir(folder_.path("root").c_str(), 0755);
    folder_.write("root/visible", "visible\n");
    std::filesystem::copy_file("/bin/busybox", folder_.path("root/busybox"));
    EXPECT_EQ(::symlink("/inside", folder_.path("root/absolute").c_str()), 0);
    EXPECT_EQ(::symlink("../inside", folder_.path("root/relative").c_str()), 0);
  }

  // busybox with options before it.
  ProcessResult run(std::vector<std::string> options, const std::vector<std::string>& applet,
                    const std::string& busybox = "/bin/busybox") {
    options.insert(options.begin(), "run");
    options.insert(options.end(), {"--", busybox});
    options.insert(options.end(), applet.begin(), applet.end());
    return faultline(options, folder_.path());
  }

  // The same in a root of its own, program and all.
  ProcessResult run_rooted(const std::vector<std::string>& applet) {
    return run({"--root", folder_.path("root")}, applet, "/busybox");
  }

  ScratchFolder folder_;
};

TEST_F(GuestWorldTest, EnvironmentIsInheritedChangedAndCleared) {
  EXPECT_THAT(run({}, {"env"}).out, HasSubstr("LANG=C\n"));
  EXPECT_EQ(run({"--clear-env", "--env", "A=1", "--env", "B=two words"}, {"env"}).out, "A=1\nB=two words\n");
  EXPECT_EQ(run({"--clear-env", "--env", "LANG"}, {"env"}).out, "LANG=C\n");
  EXPECT_THAT(run({"--env", "LANG=fr"}, {"env"}).out, HasSubstr("LANG=fr\n"));
}

TEST_F(GuestWorldTest, ReadOnlyRefusesEveryChange) {
  EXPECT_EQ(run({"--read-only"}, {"cat", "inside"}).out, "inside\n");
  for (const auto& change : std::vector<std::vector<std::string>>{{"touch", "new"},
                                                                  {"rm", "inside"},
                                                                  {"mkdir", "new"},
                                                                  {"mv", "inside", "new"},
                                                                  {"ln", "-s", "inside", "new"},
                                                                  {"truncate", "-s", "0", "inside"},
                                                                  {"chmod", "000", "inside"},
                                                                  {"cp", "inside", "new"}}) {
    const auto result = run({"--read-only"}, change);
    EXPECT_NE(result.status, 0) << change[0];
    EXPECT_THAT(result.err, HasSubstr("Read-only file system")) << change[0];
  }
  EXPECT_EQ(folder_.contents().at("inside"), "inside\n");
  EXPECT_EQ(folder_.contents().count("new"), 0u);
}

TEST_F(GuestWorldTest, NoFilesMeansNone) {
  EXPECT_EQ(run({"--no-files"}, {"echo", "hello"}).out, "hello\n");
  for (const char* path : {"inside", "/etc/passwd", "/dev/null", "/proc/self/root/etc/passwd", "."}) {
    EXPECT_NE(run({"--no-files"}, {"cat", path}).status, 0) << path;
  }
  EXPECT_NE(run({"--no-files"}, {"touch", "new"}).status, 0);
  EXPECT_EQ(folder_.contents().count("new"), 0u);
}

TEST_F(GuestWorldTest, RootHidesEverythingOutside) {
  const auto inside = run_rooted({"cat", "/visible"});
  EXPECT_EQ(inside.out, "visible\n") << inside.err;
  for (const char* path : {"/inside", "/../inside", "/root/../../inside", "/absolute", "/relative", "/etc/passwd",
                           "../inside", "/proc/self/root/etc/passwd", "/proc/self/cwd/inside"}) {
    const auto result = run_rooted({"cat", path});
    EXPECT_NE(result.status, 0) << path;
    EXPECT_THAT(result.out, Not(HasSubstr("inside"))) << path;
  }
  EXPECT_EQ(run({"--root", folder_.path("root")}, {"true"}).status, 127);  // the host's /bin is not there
  EXPECT_EQ(run_rooted({"ls", "/"}).out, "absolute\nbusybox\nrelative\nvisible\n");
  EXPECT_EQ(run_rooted({"pwd"}).out, "/\n");
}

TEST_F(GuestWorldTest, RootThatIsNoFolder) {
  const auto result = run({"--root", folder_.path("missing")}, {"true"});
  expect_one_line(result);
  EXPECT_EQ(result.status, 2);
}

TEST_F(GuestWorldTest, DescriptorsOfTheHarnessAreOutOfReach) {
  // Neither what faultline opened for itself nor what it inherited beyond 2.
  const int leaked = ::open(folder_.path("inside").c_str(), O_RDONLY);
  ::dup2(leaked, 100);
  for (int fd = 3; fd < 32; ++fd) {
    const auto result = run({}, {"sh", "-c", "read x <&" + std::to_string(fd) + " && echo reached"});
    EXPECT_THAT(result.out, Not(HasSubstr("reached"))) << fd;
    if (HasFailure()) break;
  }
  ::close(100);
  ::close(leaked);
}

TEST_F(GuestWorldTest, StraceNamesTheCalls) {
  const auto result = run({"--strace"}, {"cat", "inside"});
  EXPECT_EQ(result.out, "inside\n");
  EXPECT_THAT(result.err, HasSubstr("open"));
  EXPECT_THAT(result.err, HasSubstr("exit_group"));
}

TEST_F(GuestWorldTest, StatisticsGoToStandardError) {
  const auto result = run({"--stats"}, {"cat", "inside"});
  EXPECT_EQ(result.out, "inside\n");
  EXPECT_THAT(result.err, HasSubstr("fault"));
}

}  // namespace
}  // namespace faultline::test

// What a user reads when a guest dies: the report of an unhandled fault.
#include <filesystem>
#include <sstream>

#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using testing::HasSubstr;

class ReportTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_guest(); !why.empty()) GTEST_SKIP() << why;
  }
  static ProcessResult run(const std::string& program, const std::vector<std::string>& options = {}) {
    std::vector<std::string> words = {"run"};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"--", guest_program(program)});
    return faultline(words);
  }
};

TEST_F(ReportTest, NullDereferenceNamesAddressAccessAndFunction) {
  const auto result = run("null_write");
  EXPECT_EQ(result.status, 128 + 11);
  EXPECT_THAT(result.err, HasSubstr("BUG: unhandled page fault, NULL pointer"));
  EXPECT_THAT(result.err, HasSubstr("PGD"));
  EXPECT_THAT(result.err, HasSubstr("probe_store"));
  EXPECT_THAT(result.err, HasSubstr("RSP"));
  EXPECT_THAT(result.err, HasSubstr("Code:"));
}

TEST_F(ReportTest, TheProgramIsNamedAsItWasStarted) {
  EXPECT_THAT(run("null_read").err, HasSubstr("(" + guest_program("null_read") + ")"));
}

// By the file that was loaded: the program's name means something else outside its root.
TEST_F(ReportTest, NamesFunctionsOfAProgramUnderARootOfItsOwn) {
  const ScratchFolder folder;
  std::filesystem::copy_file(guest_program("null_write"), folder.path("program"));
  const auto result = faultline({"run", "--root", folder.path(), "--", "/program"});
  EXPECT_EQ(result.status, 128 + 11);
  EXPECT_THAT(result.err, HasSubstr("probe_store"));
}

TEST_F(ReportTest, ExceptionsThatAreNoPageFault) {
  EXPECT_THAT(run("noncanonical").err, HasSubstr("BUG: unhandled exception 13"));
  EXPECT_THAT(run("undefined").err, HasSubstr("BUG: unhandled exception 6"));
  EXPECT_THAT(run("divide").err, HasSubstr("BUG: unhandled exception 0"));
}

TEST_F(ReportTest, QuietSaysNothing) {
  const auto result = run("null_read", {"--quiet"});
  EXPECT_EQ(result.status, 128 + 11);
  EXPECT_EQ(result.err, "");
}

TEST_F(ReportTest, ALogOnStandardErrorBringsItOnce) {
  const std::string text = run("null_read", {"--fault-log", "-"}).err;
  const auto first = text.find("BUG: ");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find("BUG: ", first + 1), std::string::npos);
  std::istringstream lines(run("null_read", {"--fault-log", "-", "--fault-format", "jsonl"}).err);
  for (std::string line; std::getline(lines, line);) EXPECT_EQ(line.front(), '{') << line;
}

TEST_F(ReportTest, ASignalThatIsNoFaultHasNoReport) {
  const auto result = run("abort_self");
  EXPECT_EQ(result.status, 128 + 6);
  EXPECT_EQ(result.err, "");
}

TEST_F(ReportTest, GarbageOnTheStackDoesNotHarmTheReport) {
  const auto result = run("bad_stack");
  EXPECT_EQ(result.status, 128 + 11);
  EXPECT_THAT(result.err, HasSubstr("BUG:"));
}

TEST_F(ReportTest, MemoryThatRunsOutKillsTheGuestAsTheOomKillerWould) {
  const auto result = run("sort_glibc", {"--memory", "6M"});
  EXPECT_EQ(result.status, 128 + 9) << result.err;
  EXPECT_THAT(result.err, HasSubstr("memory"));
}

}  // namespace
}  // namespace faultline::test

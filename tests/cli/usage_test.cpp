// Options: what is refused, and what help says. Nothing here needs KVM.
#include "tests/cli/cli.hpp"

namespace faultline::test {
namespace {

using Words = std::vector<std::string>;

class UsageErrorTest : public testing::TestWithParam<Words> {};

TEST_P(UsageErrorTest, OneLineAndAHintAndStatusTwo) { expect_usage_error(faultline(GetParam())); }

INSTANTIATE_TEST_SUITE_P(Commands, UsageErrorTest,
                         testing::Values(Words{}, Words{"fly"}, Words{"--nonsense"}, Words{"run"}, Words{"walk"},
                                         Words{"run", "--"}, Words{"doctor", "extra"}, Words{"doctor", "--tree"},
                                         Words{"conform", "extra"}, Words{"conform", "--cases", "few"},
                                         Words{"conform", "--cases", "0"}, Words{"conform", "--case", "-1"},
                                         Words{"conform", "--case", "x"}));
INSTANTIATE_TEST_SUITE_P(
    Options, UsageErrorTest,
    testing::Values(Words{"run", "--nonsense", "--", "/bin/true"}, Words{"run", "--nonsense", "/bin/true"},
                    Words{"run", "--memory"}, Words{"run", "--memory", "", "--", "x"},
                    Words{"run", "--memory", "0", "--", "x"}, Words{"run", "--memory", "-1", "--", "x"},
                    Words{"run", "--memory", "lots", "--", "x"}, Words{"run", "--memory", "12Q", "--", "x"},
                    Words{"run", "--memory", "1M", "--", "x"}, Words{"run", "--memory", "65G", "--", "x"},
                    Words{"run", "--memory", "99999999999999999999", "--", "x"},
                    Words{"run", "--memory", "16777215T", "--", "x"}, Words{"run", "--memory", "8388609", "--", "x"},
                    Words{"run", "--paging", "3", "--", "x"}, Words{"run", "--paging", "five", "--", "x"},
                    Words{"run", "--time-limit", "soon", "--", "x"}, Words{"run", "--time-limit", "-1", "--", "x"},
                    Words{"run", "--time-limit", "0", "--", "x"}, Words{"run", "--time-limit", "nan", "--", "x"},
                    Words{"run", "--exit-limit", "many", "--", "x"}, Words{"run", "--exit-limit", "-5", "--", "x"},
                    Words{"run", "--storm-limit", "1.5", "--", "x"}, Words{"run", "--linux", "6", "--", "x"},
                    Words{"run", "--linux", "6.19", "--", "x"}, Words{"run", "--linux", "3.18", "--", "x"},
                    Words{"walk", "--linux", "5.20", "--", "x"}, Words{"run", "--linux", "5.4.1", "--", "x"},
                    Words{"run", "--fault-format", "xml", "--fault-log", "-", "--", "x"}, Words{"run", "--fault-log"},
                    Words{"run", "--no-files", "--root", "/", "--", "x"}, Words{"walk", "--address", "here", "--", "x"},
                    Words{"walk", "--address", "0x", "--", "x"}, Words{"walk", "--fault-log", "-", "--", "x"}));

INSTANTIATE_TEST_SUITE_P(
    Inspect, UsageErrorTest,
    testing::Values(Words{"inspect"}, Words{"inspect", "--timeline"}, Words{"inspect", "a", "b"},
                    Words{"inspect", "--nonsense", "a"}, Words{"inspect", "--timeline", "--heat", "a"},
                    Words{"inspect", "--json", "--csv", "a"}, Words{"inspect", "--fault", "0", "a"},
                    Words{"inspect", "--exit", "-1", "a"}, Words{"inspect", "--at", "soon", "a"},
                    Words{"inspect", "--address", "here", "a"}, Words{"inspect", "--path", "wp_page", "a"},
                    Words{"inspect", "--outcome", "fine", "a"}, Words{"inspect", "--process", "4294967296", "a"},
                    Words{"inspect", "--time", "5ms", "a"}, Words{"inspect", "--top", "few", "a"},
                    Words{"inspect", "diff"}, Words{"inspect", "diff", "a"}, Words{"inspect", "diff", "a", "b", "c"},
                    Words{"inspect", "--heat", "diff", "a", "b"}, Words{"inspect", "--process", "1", "diff", "a", "b"},
                    Words{"inspect", "--counts", "a"}));

INSTANTIATE_TEST_SUITE_P(
    Fuzz, UsageErrorTest,
    testing::Values(Words{"fuzz", "a", "b"}, Words{"fuzz", "--nonsense"}, Words{"fuzz", "--seed", "-1"},
                    Words{"fuzz", "--seed", "x"}, Words{"fuzz", "--jobs", "0"}, Words{"fuzz", "--jobs", "257"},
                    Words{"fuzz", "--time", "soon"}, Words{"fuzz", "--time", "0"}, Words{"fuzz", "--programs", "few"},
                    Words{"fuzz", "--judges", ""}, Words{"fuzz", "--judges", "reference,oracle"},
                    Words{"fuzz", "--backend", "tcg"}, Words{"fuzz", "--known"}, Words{"fuzz", "replay"},
                    Words{"fuzz", "replay", "a", "b"}, Words{"fuzz", "replay", "--seed", "1", "a"},
                    Words{"fuzz", "minimize"}, Words{"fuzz", "minimize", "-o"}, Words{"fuzz", "run"},
                    Words{"fuzz", "run", "a", "b"}, Words{"fuzz", "run", "--jobs", "2", "a"},
                    Words{"fuzz", "generate", "a"}, Words{"fuzz", "generate", "--operations", "0"},
                    Words{"fuzz", "generate", "--operations", "257"}));

// "faultline fuzz run" has a help of its own, not that of "faultline run".
TEST(HelpTest, UsageNamesTheCommandItIsOf) {
  for (const Words& command : {Words{"run"}, Words{"walk"}, Words{"doctor"}, Words{"conform"}, Words{"inspect"},
                               Words{"inspect", "diff"}, Words{"fuzz"}, Words{"fuzz", "run"}, Words{"fuzz", "replay"},
                               Words{"fuzz", "minimize"}, Words{"fuzz", "generate"}}) {
    Words words = command;
    words.emplace_back("--help");
    std::string usage = "Usage: faultline";
    for (const auto& word : command) usage += " " + word;
    EXPECT_THAT(faultline(words).out, testing::HasSubstr(usage + " [OPTIONS]"));
  }
}

class CommandHelpTest : public testing::TestWithParam<Words> {};

TEST_P(CommandHelpTest, GoesToStandardOutputAndEndsWellAndNamesItsOptions) {
  const auto result = faultline(GetParam());
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, testing::HasSubstr("Usage: faultline"));
  EXPECT_THAT(result.out, testing::HasSubstr("--help"));
  EXPECT_THAT(result.out, testing::HasSubstr("\nExamples:\n"));
}

INSTANTIATE_TEST_SUITE_P(Commands, CommandHelpTest,
                         testing::Values(Words{"--help"}, Words{"-h"}, Words{"run", "--help"}, Words{"walk", "--help"},
                                         Words{"doctor", "--help"}, Words{"conform", "--help"},
                                         Words{"inspect", "--help"}, Words{"inspect", "diff", "--help"},
                                         Words{"fuzz", "--help"}, Words{"fuzz", "replay", "--help"},
                                         Words{"fuzz", "minimize", "--help"}, Words{"fuzz", "run", "--help"},
                                         Words{"fuzz", "generate", "--help"}));

TEST(VersionTest, IsOneLine) {
  const auto result = faultline({"--version"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, testing::MatchesRegex("faultline [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

}  // namespace
}  // namespace faultline::test

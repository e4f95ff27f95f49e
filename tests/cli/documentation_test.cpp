// What --help offers, the manual page explains and the completion completes.
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "tests/cli/cli.hpp"

namespace faultline::test {
namespace {

std::string source(const std::string& name) {
  std::ifstream file(std::string(FAULTLINE_SOURCE) + "/" + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> options_in_help(const std::string& command) {
  const std::string help = faultline({command, "--help"}).out;
  const std::string listed = help.substr(0, help.find("Exit status"));
  const std::regex option("--[a-z][a-z-]*");
  return {std::sregex_token_iterator(listed.begin(), listed.end(), option), {}};
}

class DocumentationTest : public testing::TestWithParam<const char*> {};

TEST_P(DocumentationTest, EveryOptionIsInTheManualPageAndTheCompletion) {
  const std::string manual = source("tools/man/faultline.1");
  const std::string completion = source("tools/completion/faultline.bash");
  const auto options = options_in_help(GetParam());
  EXPECT_GE(options.size(), 2u);
  for (const auto& option : options) {
    EXPECT_TRUE(std::regex_search(manual, std::regex("Fl " + option.substr(1) + "\\b"))) << option;
    EXPECT_TRUE(std::regex_search(completion, std::regex(option + "\\b"))) << option;
  }
}

INSTANTIATE_TEST_SUITE_P(Commands, DocumentationTest,
                         testing::Values("run", "walk", "inspect", "doctor", "conform", "fuzz"),
                         [](const auto& command) { return std::string(command.param); });

}  // namespace
}  // namespace faultline::test

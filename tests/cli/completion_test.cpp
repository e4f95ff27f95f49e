// The bash completion, driven as bash drives it.
#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

// What is offered for the last of the words.
std::string complete(const std::string& words) {
  const std::string script = "source \"$0\"; COMP_WORDS=(" + words +
                             "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _faultline; echo \"${COMPREPLY[*]}\"";
  const std::string file = std::string(FAULTLINE_SOURCE) + "/tools/completion/faultline.bash";
  static const ScratchFolder empty;  // files are offered, too
  const auto result = run_process({.argv = {"/bin/bash", "-c", script, file}, .folder = empty.path()});
  EXPECT_EQ(result.err, "");
  return result.out;
}

TEST(CompletionTest, CommandsOptionsAndValues) {
  EXPECT_EQ(complete("faultline d"), "doctor\n");
  EXPECT_EQ(complete("faultline run --fault-"), "--fault-log --fault-format\n");
  EXPECT_EQ(complete("faultline run --fault-format j"), "jsonl\n");
  EXPECT_EQ(complete("faultline run --linux 6.1"), "6.1 6.12 6.18\n");
  EXPECT_EQ(complete("faultline walk --tr"), "--tree\n");
  EXPECT_EQ(complete("faultline run --memory 64M --no"), "--no-files\n");
  EXPECT_EQ(complete("faultline doctor ''"), "--json --help\n");
  EXPECT_EQ(complete("faultline conform --cas"), "--cases --case\n");
  EXPECT_EQ(complete("faultline inspect d"), "diff\n");
  EXPECT_EQ(complete("faultline inspect run.flr --fault"), "--faults --fault\n");
  EXPECT_EQ(complete("faultline inspect --path wp_page_c"), "wp_page_copy\n");
  EXPECT_EQ(complete("faultline inspect --outcome SIGS"), "SIGSEGV\n");
  EXPECT_EQ(complete("faultline conform --rule right.sm"), "right.smep right.smap\n");
}

TEST(CompletionTest, OfTheFuzzer) {
  EXPECT_EQ(complete("faultline f"), "fuzz\n");
  EXPECT_EQ(complete("faultline fuzz repl"), "replay\n");
  EXPECT_EQ(complete("faultline fuzz --jo"), "--jobs\n");
  EXPECT_EQ(complete("faultline fuzz --judges re"), "reference\n");
  EXPECT_EQ(complete("faultline fuzz --judges reference,model,h"), "reference,model,hosted\n");
  EXPECT_EQ(complete("faultline fuzz --backend h"), "hosted\n");
  EXPECT_EQ(complete("faultline fuzz --seed ''"), "\n");
  EXPECT_EQ(complete("faultline fuzz --jobs 2 --ra"), "--raw\n");
  EXPECT_EQ(complete("faultline fuzz generate --op"), "--operations\n");
  EXPECT_EQ(complete("faultline fuzz --op"), "\n");  // of generate alone
  EXPECT_EQ(complete("faultline fuzz replay --"), "--judges --backend --known --help\n");
  const std::string folder = std::string(FAULTLINE_SOURCE) + "/tools/completion/";
  for (const char* before : {"", "replay ", "minimize ", "run ", "--known ", "--jobs 2 "})
    EXPECT_EQ(complete("faultline fuzz " + std::string(before) + folder + "fault"), folder + "faultline.bash\n");
}

TEST(CompletionTest, WhatFollowsTheProgramIsItsOwn) {
  EXPECT_EQ(complete("faultline run prog --fault-"), "\n");
  EXPECT_EQ(complete("faultline run -- prog --fault-"), "\n");
  const std::string folder = std::string(FAULTLINE_SOURCE) + "/tools/completion/";
  EXPECT_EQ(complete("faultline run --clear-env prog " + folder + "fault"), folder + "faultline.bash\n");
}

}  // namespace
}  // namespace faultline::test

// Files that a command is told to write: nothing that is there already is lost by mistake, and what cannot be
// written is said before anything runs.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using testing::HasSubstr;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void expect_refused(const std::vector<std::string>& words, const std::string& why) {
  const auto result = faultline(words);
  EXPECT_EQ(result.status, 2) << words[1] << " " << words[2];
  expect_one_line(result);
  EXPECT_THAT(result.err, HasSubstr(why));
}

TEST(OutputFiles, TheProgramIsNotWrittenOver) {
  const ScratchFolder folder;
  const std::string program = folder.path("program");
  std::filesystem::copy_file(guest_program("exit_status"), program);
  const std::string bytes = bytes_of(program);
  for (const char* option : {"--fault-log", "--record", "--stats-json"})
    expect_refused({"run", option, folder.path() + "/./program", program}, "is the program");
  EXPECT_EQ(bytes_of(program), bytes);
}

TEST(OutputFiles, TwoOutputsAreTwoFiles) {
  const ScratchFolder folder;
  expect_refused({"run", "--record", folder.path("a"), "--fault-log", folder.path("a"), "/bin/true"},
                 "--fault-log and --record are both ");
  EXPECT_FALSE(std::filesystem::exists(folder.path("a")));
}

TEST(OutputFiles, WhatCannotBeWrittenIsSaidFirst) {
  expect_refused({"run", "--stats-json", "/no/such/folder/s.json", guest_program("exit_status"), "0"},
                 "cannot write the statistics to /no/such/folder/s.json: No such file or directory");
  expect_refused({"conform", "--model-only", "--junit", "/no/such/folder/j.xml"},
                 "--junit: /no/such/folder/j.xml: No such file or directory");
}

TEST(OutputFiles, TheRecordingIsNotWrittenOver) {
  const ScratchFolder folder;
  folder.write("run.flr", "a recording, for all that matters here");
  std::filesystem::create_symlink("run.flr", folder.path("link"));
  for (const char* option : {"--html", "--trace", "--folded"}) {
    for (const char* name : {"run.flr", "link"})
      expect_refused({"inspect", option, folder.path(name), folder.path("run.flr")}, " is the recording: ");
  }
  EXPECT_THAT(bytes_of(folder.path("run.flr")), HasSubstr("a recording, "));
}

}  // namespace
}  // namespace faultline::test

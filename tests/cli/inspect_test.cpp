// `faultline inspect` as a user meets it, on recordings made here.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;
using Words = std::vector<std::string>;

std::vector<nlohmann::json> json_lines(const std::string& text) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}
std::ptrdiff_t line_count(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

class InspectTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_guest(); !why.empty()) GTEST_SKIP() << why;
  }
  // Records the program, whose arguments may follow, and returns the file.
  std::string record(const std::string& name, const Words& program, const Words& options = {}) {
    const std::string file = folder_.path(name);
    Words words = {"run", "--quiet", "--clear-env", "--record", file};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back("--");
    words.insert(words.end(), program.begin(), program.end());
    const auto result = faultline(words);
    EXPECT_TRUE(std::filesystem::exists(file)) << result.err;
    return file;
  }
  std::string touch() { return record("touch.flr", {guest_program("touch"), "4"}); }
  static ProcessResult inspect(const std::string& file, Words options = {}) {
    options.insert(options.begin(), "inspect");
    options.push_back(file);
    return faultline(options);
  }
  // What a view prints that must work.
  static std::string view(const std::string& file, const Words& options) {
    const auto result = inspect(file, options);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return result.out;
  }
  ScratchFolder folder_;
};

TEST_F(InspectTest, TheSummaryCountsWhatTheTimelineShows) {
  const std::string file = touch();
  const auto summary = json_lines(view(file, {"--json"}));
  ASSERT_EQ(summary.at(0)["kind"], "recording");
  EXPECT_EQ(summary[0]["status"], 0);
  const auto timeline = json_lines(view(file, {"--timeline", "--json"}));
  EXPECT_EQ(summary[0]["events"], timeline.size());
  std::map<std::string, int> kinds;
  for (const auto& event : timeline) ++kinds[event["kind"]];
  EXPECT_GE(kinds["fault"], 4);
  EXPECT_EQ(summary[0]["faults"], kinds["fault"]);
  int exits = 0, paths = 0;
  for (const auto& row : summary) {
    if (row["kind"] == "exit") exits += row["count"].get<int>();
    if (row["kind"] == "path") paths += row["count"].get<int>();
  }
  EXPECT_EQ(exits, kinds["exit"]);
  EXPECT_EQ(paths, kinds["fault"]);
  const std::string text = view(file, {});
  EXPECT_THAT(text, StartsWith("program    "));
  EXPECT_THAT(text, ContainsRegex("p50 us +p90 us +p99 us +max us +exit\n"));
  EXPECT_THAT(text, HasSubstr("do_anonymous_page\n"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "colours are for a terminal";
}

TEST_F(InspectTest, FiltersNarrow) {
  const std::string file = touch();
  const auto all = json_lines(view(file, {"--faults", "--json"}));
  const auto anonymous = json_lines(view(file, {"--faults", "--json", "--path", "do_anonymous_page"}));
  ASSERT_GE(anonymous.size(), 4u);
  EXPECT_LT(anonymous.size(), all.size());
  const std::string address = anonymous.back()["address"];
  const auto one = json_lines(view(file, {"--faults", "--json", "--address", address}));
  ASSERT_GE(one.size(), 1u);
  for (const auto& fault : one)
    EXPECT_EQ(std::string(fault["address"]).substr(0, address.size() - 3), address.substr(0, address.size() - 3));
  const auto by_process = json_lines(view(file, {"--faults", "--json", "--process", all[0]["process"].dump()}));
  EXPECT_EQ(by_process.size(), all.size());
  EXPECT_GE(json_lines(view(file, {"--heat", "--json", "--vma", "(anonymous)"})).size(), 4u);
  const auto none = inspect(file, {"--faults", "--outcome", "SIGSEGV"});
  EXPECT_EQ(none.status, 1);
  EXPECT_EQ(none.err, "faultline: " + file + ": nothing passes the filters\n");
}

TEST_F(InspectTest, OneFaultAndItsExitInFull) {
  const std::string file = record("null.flr", {guest_program("null_write")});
  const auto killed = json_lines(view(file, {"--faults", "--json", "--outcome", "SIGSEGV"}));
  ASSERT_EQ(killed.size(), 1u);
  const std::string text = view(file, {"--fault", killed[0]["fault"].dump()});
  EXPECT_THAT(text, StartsWith("fault #" + killed[0]["fault"].dump() + " on "));
  EXPECT_THAT(text, HasSubstr("  walk  "));
  EXPECT_THAT(text, HasSubstr("SEGV_MAPERR"));
  const auto object = json_lines(view(file, {"--fault", killed[0]["fault"].dump(), "--json"})).at(0);
  EXPECT_EQ(object["record"]["outcome"]["signal"]["name"], "SIGSEGV");
  const std::string exit = view(file, {"--exit", killed[0]["event"].dump()});
  EXPECT_THAT(exit, StartsWith("exit, event "));
  EXPECT_THAT(exit, HasSubstr("what came of it"));
  EXPECT_THAT(exit, HasSubstr("SEGV_MAPERR"));
}

TEST_F(InspectTest, TheStateAtAMoment) {
  const std::string file = touch();
  const auto faults = json_lines(view(file, {"--faults", "--json", "--path", "do_anonymous_page"}));
  const auto mapped = [&](const std::string& moment) {
    const auto rows = json_lines(view(file, {"--at", moment, "--json", "--address", faults.back()["address"]}));
    return std::count_if(rows.begin(), rows.end(),
                         [](const auto& r) { return r["kind"] == "entry" && r["level"] == 1; });
  };
  const auto event = faults.back()["event"].get<int>();
  EXPECT_EQ(mapped(std::to_string(event - 1)), 0);
  EXPECT_EQ(mapped(std::to_string(event)), 1);
  EXPECT_THAT(view(file, {"--at", "@1h"}), ContainsRegex("^state +after event [0-9]+"));
  EXPECT_THAT(view(file, {"--at", std::to_string(event)}), HasSubstr("[stack]"));
}

TEST_F(InspectTest, WhatIsNotThereIsSaid) {
  const std::string file = touch();
  for (const Words& options : {Words{"--fault", "99999"}, Words{"--exit", "99999"}, Words{"--at", "99999"}}) {
    const auto result = inspect(file, options);
    EXPECT_EQ(result.status, 1) << result.out;
    expect_one_line(result);
  }
}

TEST_F(InspectTest, EveryViewHasCsvWithOneWidth) {
  const std::string file = touch();
  for (const Words& options : {Words{}, Words{"--timeline"}, Words{"--faults"}, Words{"--heat"}, Words{"--at", "20"},
                               Words{"--exit", "20"}, Words{"--fault", "1"}}) {
    Words with = options;
    with.push_back("--csv");
    const std::string csv = view(file, with);
    EXPECT_GE(line_count(csv), 2) << csv;
    const std::string header = csv.substr(0, csv.find('\n'));
    EXPECT_EQ(header.find('"'), std::string::npos);
  }
}

TEST_F(InspectTest, ATornRecordingIsShownAsFarAsItGoes) {
  const std::string file = record("shell.flr", {"/bin/busybox", "seq", "2000"});
  const auto whole = json_lines(view(file, {"--timeline", "--json"}));
  const auto bytes = std::filesystem::file_size(file);
  std::filesystem::resize_file(file, bytes - 20);
  const auto torn = inspect(file, {"--timeline", "--json"});
  EXPECT_EQ(torn.status, 3);
  EXPECT_THAT(torn.err, StartsWith("faultline: " + file + ": "));
  EXPECT_EQ(line_count(torn.err), 1) << torn.err;
  EXPECT_LT(json_lines(torn.out).size(), whole.size());
  EXPECT_EQ(inspect(file, {"--fault", "99999"}).status, 3) << "it may be in what is missing";
}

TEST_F(InspectTest, DiffSaysWhereTheyPart) {
  const std::string a = touch(), b = record("again.flr", {guest_program("touch"), "4"});
  const std::string c = record("more.flr", {guest_program("touch"), "9"});
  const auto same = faultline({"inspect", "diff", a, b});
  EXPECT_EQ(same.status, 0) << same.out;
  EXPECT_THAT(same.out, HasSubstr("the same: "));
  const auto differ = faultline({"inspect", "diff", a, c});
  EXPECT_EQ(differ.status, 1);
  EXPECT_THAT(differ.out, ContainsRegex("first divergence: process 1, after [0-9]+ events"));
  const auto json = faultline({"inspect", "diff", "--json", a, c});
  EXPECT_EQ(json.status, 1);
  EXPECT_EQ(json_lines(json.out).at(0)["kind"], "divergence");
  EXPECT_EQ(faultline({"inspect", "diff", a, folder_.path("none")}).status, 2);
}

TEST_F(InspectTest, AReaderThatGoesAwayIsNoError) {
  const std::string file = record("shell.flr", {"/bin/busybox", "seq", "2000"});
  const std::string script = "\"$0\" inspect --timeline --json \"$1\" | head -c 100 >/dev/null; echo ${PIPESTATUS[0]}";
  const auto result = run_process({.argv = {"/bin/bash", "-c", script, FAULTLINE_CLI, file}});
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(result.out == "141\n" || result.out == "0\n") << result.out;
}

TEST_F(InspectTest, AFullDiskIsSaid) {
  const auto result =
      run_process({.argv = {"/bin/bash", "-c", "\"$0\" inspect \"$1\" >/dev/full", FAULTLINE_CLI, touch()}});
  EXPECT_EQ(result.status, 125);
  EXPECT_EQ(result.err, "faultline: standard output: No space left on device\n");
}

TEST(InspectRefusalTest, WhatIsNoRecording) {
  const ScratchFolder folder;
  folder.write("text", "hello\n");
  folder.write("empty", "");
  for (const std::string& file : {folder.path("text"), folder.path("empty"), folder.path("none"), folder.path()}) {
    const auto result = faultline({"inspect", file});
    EXPECT_EQ(result.status, 2) << file;
    expect_one_line(result);
    EXPECT_THAT(result.err, HasSubstr(file));
  }
}

}  // namespace
}  // namespace faultline::test

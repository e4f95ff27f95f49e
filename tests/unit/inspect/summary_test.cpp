#include "vmm/inspect/summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/inspect/sample_events.hpp"
#include "vmm/inspect/summary_view.hpp"

namespace faultline::vmm::inspect {
namespace {

using recording::ExitReason;
using testing::HasSubstr;
using testing::Not;

Summary summarize(const std::vector<Event>& run, const Filter& filter = {}) {
  Summarizer summarizer(filter);
  for (const Event& event : run) summarizer.add(event);
  return summarizer.finish();
}

recording::RunInfo sample_info() {
  recording::RunInfo info;
  info.backend = "kvm-pvm";
  info.command = {"p", "x\x1b[1m", "it's", ""};
  info.started_unix_ns = 1'000'000'000ULL * 1'000'000'000;
  return info;
}

TEST(SummaryTest, CountsAndTimes) {
  const Summary s = summarize(sample_run());
  EXPECT_EQ(s.events, 12u);
  EXPECT_EQ(s.first_event, 1u);
  EXPECT_EQ(s.last_event, 12u);
  EXPECT_EQ(s.duration_ns(), 20'000u);
  EXPECT_EQ(s.guest.count(), 4u);
  EXPECT_EQ(s.guest.total(), 1'000u + 3'000 + 3'000 + 2'000);
  EXPECT_EQ(s.fault_count(), 3u);
  EXPECT_EQ(s.outcomes.at("minor"), 2u);
  EXPECT_EQ(s.outcomes.at("SIGSEGV"), 1u);
  EXPECT_EQ(s.signals.at(11), 1u);
  EXPECT_EQ(s.raw_exits.at(2), 4u);
  ASSERT_TRUE(s.end);
  EXPECT_EQ(s.end->status, 139);
}

TEST(SummaryTest, AnExitTakesUntilTheGuestIsEnteredAgain) {
  const Summary s = summarize(sample_run());
  const Durations& faults = s.exits.at(ExitReason::kPageFault);
  EXPECT_EQ(faults.count(), 3u);
  EXPECT_EQ(faults.total(), (6'000u - 2'000) + (12'000 - 9'000) + (20'000 - 18'000)) << "the last one up to the end";
  EXPECT_EQ(s.exits.at(ExitReason::kSyscall).total(), 1'000u);
  EXPECT_EQ(s.guest.total() + faults.total() + 1'000, 20'000u - 1'000) << "no time is counted twice";
}

TEST(SummaryTest, PathsCostWhatTheRecordSays) {
  const Summary s = summarize(sample_run());
  EXPECT_EQ(s.paths.size(), 3u);
  const Durations& anonymous = s.paths.at("find_vma > do_anonymous_page");
  EXPECT_EQ(anonymous.count(), 1u);
  EXPECT_EQ(anonymous.max(), 310u + 90 + 410 + 150);
}

TEST(SummaryTest, ProcessesByThemselves) {
  auto run = sample_run();
  recording::ProcessChange fork{
      .event = recording::ProcessEvent::kFork, .parent = 100, .root = Gpa(), .program = "", .status = 0};
  run.insert(run.end() - 1, sample_event(12, 19'500, fork, 101));
  const Summary s = summarize(run);
  EXPECT_EQ(s.processes.at(100).program, "/bin/p");
  EXPECT_EQ(s.processes.at(100).status, 139);
  EXPECT_EQ(s.processes.at(100).exits, 4u);
  EXPECT_EQ(s.processes.at(100).syscalls, 1u);
  EXPECT_EQ(s.processes.at(101).parent, 100u);
  EXPECT_EQ(s.processes.at(101).program, "/bin/p") << "the parent's, until it executes another";
  EXPECT_FALSE(s.processes.at(101).status);
}

TEST(SummaryTest, AFilterNarrowsItButHostTimeIsStillRight) {
  Filter filter;
  filter.time = TimeRange{9'000, 9'100};
  const Summary s = summarize(sample_run(), filter);
  EXPECT_EQ(s.events, 2u);
  EXPECT_EQ(s.exits.at(ExitReason::kPageFault).count(), 1u);
  EXPECT_EQ(s.exits.at(ExitReason::kPageFault).total(), 3'000u) << "up to an exit that does not match";
  EXPECT_EQ(s.exits.count(ExitReason::kSyscall), 0u);
}

TEST(SummaryTest, NothingIsNoTrouble) {
  const Summary s = summarize({});
  EXPECT_EQ(s.events, 0u);
  EXPECT_EQ(s.duration_ns(), 0u);
  fmt::memory_buffer out;
  append_summary_text(out, {}, s, 20, Colour::kNever);
  EXPECT_THAT(text_of(out), HasSubstr("events     0\n"));
}

TEST(SummaryTest, KindsAreBounded) {
  Summarizer summarizer;
  for (std::uint64_t n = 0; n < Summary::kMaxKinds + 100; ++n)
    summarizer.add(
        sample_event(n + 1, n,
                     recording::Syscall{
                         .number = n, .arguments = {}, .result = 0, .started_ns = 0, .ended_ns = 1, .blocked = false}));
  const Summary s = summarizer.finish();
  EXPECT_EQ(s.syscalls.size(), Summary::kMaxKinds + 1);
  EXPECT_EQ(s.syscalls.at(kOtherSyscalls).count(), 100u);
}

TEST(SummaryViewTest, TextSaysWhatAndHowMuch) {
  fmt::memory_buffer out;
  append_summary_text(out, sample_info(), summarize(sample_run()), 20, Colour::kNever);
  const std::string text = text_of(out);
  EXPECT_THAT(text, HasSubstr("program    p 'x?[1m' 'it'\\''s' ''\n"));
  EXPECT_THAT(text, HasSubstr("started    2001-09-09 01:46:40 UTC\n"));
  EXPECT_THAT(text, testing::ContainsRegex(" 3 +45.00% +0.009 +3.0 +4.0 +4.0 +4.0  page-fault\n"));
  EXPECT_THAT(text, testing::ContainsRegex(" 4 +45.00% .* \\(guest\\)\n"));
  EXPECT_THAT(text, testing::ContainsRegex(" 1 .* find_vma > do_wp_page > wp_page_copy\n"));
  EXPECT_THAT(text, HasSubstr("faults     3: 1 SIGSEGV, 2 minor\n"));
  EXPECT_THAT(text, HasSubstr("raw exits  4 KVM_EXIT_IO\n"));
  EXPECT_THAT(text, testing::ContainsRegex("100 +- +4 +3 +1 .* 139  /bin/p\n"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  out.clear();
  append_summary_text(out, sample_info(), summarize(sample_run()), 20, Colour::kAlways);
  EXPECT_THAT(text_of(out), HasSubstr("\x1b[1m"));
}

TEST(SummaryViewTest, JsonAndCsvSayTheSame) {
  fmt::memory_buffer out;
  const Summary s = summarize(sample_run());
  append_summary_rows(out, RowFormat::kJsonLines, sample_info(), s);
  const auto json = json_lines(out);
  EXPECT_EQ(json.at(0)["kind"], "recording");
  EXPECT_EQ(json.at(0)["faults"], 3);
  EXPECT_EQ(json.at(0)["status"], 139);
  EXPECT_EQ(json.at(1)["kind"], "process");
  EXPECT_EQ(json.at(1)["process"], 100);
  out.clear();
  append_summary_rows(out, RowFormat::kCsv, sample_info(), s);
  const auto csv = csv_lines(out);
  EXPECT_EQ(csv.at(0), (std::vector<std::string>{"kind", "name", "count", "share", "total_ns", "p50_ns", "p90_ns",
                                                 "p99_ns", "max_ns"}));
  ASSERT_EQ(csv.size() - 1, json.size() - 2) << "one row for each, but for recording and process";
  for (std::size_t n = 1; n < csv.size(); ++n) {
    EXPECT_EQ(csv[n].at(0), json[n + 1]["kind"]);
    EXPECT_EQ(csv[n].at(1), json[n + 1]["name"]);
    EXPECT_EQ(csv[n].at(2), json[n + 1]["count"].dump());
    const auto& total = json[n + 1]["total_ns"];
    EXPECT_EQ(csv[n].at(4), total.is_null() ? "" : total.dump());
  }
}

}  // namespace
}  // namespace faultline::vmm::inspect

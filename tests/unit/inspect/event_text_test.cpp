#include "vmm/inspect/event_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/inspect/sample_events.hpp"
#include "vmm/inspect/fault_view.hpp"

namespace faultline::vmm::inspect {
namespace {

using namespace recording;
using testing::HasSubstr;
using testing::StartsWith;

std::string line(const Event& event) {
  fmt::memory_buffer out;
  append_line(out, event, Colour::kNever);
  return text_of(out);
}

// One event of each kind, with text that a guest might have chosen to harm a terminal or a file.
std::vector<Event> every_kind() {
  std::vector<Event> all = sample_run();
  VmaInfo vma;
  vma.start = Gva(0x1000);
  vma.end = Gva(0x3000);
  vma.name = "a,\"b\"\x1b\n";
  const auto add = [&all](Body body) { all.push_back(sample_event(all.size() + 1, 30'000, std::move(body))); };
  add(VmaChange{
      .operation = "mmap", .start = Gva(0x1000), .end = Gva(0x3000), .removed = {Gva(0x1000)}, .added = {vma}});
  add(TableEdits{.root = Gpa(0x5000), .edits = {{Gva(0x1000), 1, Gpa(0x6000), mmu::Pte(0x67), mmu::Pte()}}});
  add(TableEdits{});
  add(Switch{.from = 99});
  add(Counters{});
  add(Signal{.number = 99, .code = -6, .address = Gva(), .action = SignalAction::kIgnored});
  add(Syscall{
      .number = 9999, .arguments = {1, 2, 3, 4, 5, 6}, .result = -38, .started_ns = 1, .ended_ns = 0, .blocked = true});
  add(sample_exit(ExitReason::kException, 1, 2, 0));
  add(sample_exit(ExitReason::kInterrupted, 2, 1, 0));
  add(sample_exit(ExitReason::kFatal, 1, 2, 0));
  return all;
}

TEST(EventTextTest, EachKindIsOnePrintableLine) {
  for (const Event& event : every_kind()) {
    const std::string text = line(event);
    EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
    EXPECT_EQ(text.back(), '\n');
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
    EXPECT_THAT(text, HasSubstr(std::string(kind_name(event.body))));
  }
}

TEST(EventTextTest, WhatTheLinesSay) {
  const auto run = every_kind();
  EXPECT_EQ(
      line(run[1]),
      "       2      0.002000    100 exit     page fault at 0x7fff12345678: supervisor read, page not present, rip "
      "0x401000, 1.0 us in the guest\n");
  EXPECT_THAT(describe(run[2]),
              StartsWith("#1 0x7fff12345678 user write, page not present; find_vma > do_anonymous_page; "
                         "minor, 960 ns in [stack]"));
  EXPECT_EQ(describe(run[5]), "system call getpid, rip 0x401000, 3.0 us in the guest");
  EXPECT_EQ(describe(run[6]), "getpid() = 100, 400 ns");
  EXPECT_EQ(describe(run[9]), "SIGSEGV code 1 at 0x123000: killed");
  EXPECT_EQ(describe(run[12]), "mmap 0x1000-0x3000: 1 gone, 1 there: 0x1000-0x3000 ---p a,\"b\"??");
  EXPECT_THAT(describe(run[13]),
              StartsWith("1 entry under root 0x5000: level 1 of 0x1000: 0x0000000000000067 [P W U A D]"));
  EXPECT_THAT(describe(run[18]), HasSubstr("syscall_9999(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS"));
}

TEST(EventTextTest, RowsHaveTheSameFieldsWhateverTheKind) {
  fmt::memory_buffer json_out, csv_out;
  RowWriter json(json_out, RowFormat::kJsonLines), csv(csv_out, RowFormat::kCsv);
  const auto run = every_kind();
  for (const Event& event : run) {
    append_row(json, event);
    append_row(csv, event);
  }
  const auto objects = json_lines(json_out);
  const auto lines = csv_lines(csv_out);
  ASSERT_EQ(objects.size(), run.size());
  ASSERT_EQ(lines.size(), run.size() + 1);
  for (std::size_t n = 0; n < run.size(); ++n) {
    EXPECT_EQ(lines[n + 1].size(), lines[0].size());
    for (const auto& name : lines[0]) EXPECT_TRUE(objects[n].contains(name)) << name;
    EXPECT_EQ(objects[n]["event"], run[n].number);
    EXPECT_EQ(objects[n]["kind"], kind_name(run[n].body));
    EXPECT_TRUE(objects[n]["body"].is_object());
  }
  EXPECT_EQ(objects[2]["body"]["path"], (nlohmann::json{"find_vma", "do_anonymous_page"}));
  EXPECT_EQ(objects[2]["body"]["edits"].size(), 1u);
  EXPECT_EQ(objects[6]["body"]["result"], 100);
  EXPECT_EQ(objects[12]["body"]["added"][0]["name"], "a,\"b\"\x1b\n") << "as it is: JSON escapes it";
}

TEST(EventTextTest, CsvQuotesWhatNeedsIt) {
  fmt::memory_buffer out;
  RowWriter rows(out, RowFormat::kCsv);
  rows.begin();
  rows.text("a", "x,y").text("b", "say \"hi\"").number("c", 7).none("d").real("e", 0.5).text("f", "two\nlines");
  rows.end();
  EXPECT_EQ(text_of(out), "a,b,c,d,e,f\n\"x,y\",\"say \"\"hi\"\"\",7,,0.500000,two?lines\n");
}

TEST(EventTextTest, RawExitsHaveNames) {
  EXPECT_EQ(raw_exit_name(2, false), "KVM_EXIT_IO");
  EXPECT_EQ(raw_exit_name(11, true), "SIGSEGV");
  EXPECT_EQ(raw_exit_name(4242, false), "reason 4242");
  EXPECT_EQ(raw_exit_name(4242, true), "signal 4242");
  EXPECT_EQ(signal_text(17), "SIGCHLD");
}

TEST(FaultViewTest, AFaultInFullHasEveryEntryThatChanged) {
  Event event = sample_run()[2];
  auto& fault = std::get<Fault>(event.body);
  while (fault.all_edits.size() < mmu::EditLog::kKept + 3) {
    mmu::PteEdit edit = fault.all_edits.front();
    edit.address = edit.address + fault.all_edits.size() * kPageSize;
    fault.all_edits.push_back(edit);
    fault.record.edits.add(edit);
  }
  fmt::memory_buffer out;
  append_fault_detail(out, event, Colour::kNever);
  const std::string text = text_of(out);
  EXPECT_THAT(text, StartsWith("fault #1 on kvm-pvm"));
  EXPECT_THAT(text, HasSubstr(fmt::format("{:#x}", fault.all_edits.back().address.raw())));
  EXPECT_THAT(text, HasSubstr("event 3, at 0.002100 ms"));
  out.clear();
  append_fault_object(out, event);
  const auto object = json_lines(out).at(0);
  EXPECT_EQ(object["edits"].size(), fault.all_edits.size());
  EXPECT_EQ(object["record"]["sequence"], 1);
  EXPECT_EQ(object["event"], 3);
}

TEST(FaultViewTest, LinesAndRowsOfFaults) {
  fmt::memory_buffer out;
  append_fault_line(out, sample_run()[4], Colour::kNever);
  EXPECT_THAT(text_of(out), HasSubstr("find_vma > do_wp_page > wp_page_copy"));
  EXPECT_THAT(text_of(out), HasSubstr("movups xmmword ptr [rax], xmm0"));
  out.clear();
  RowWriter rows(out, RowFormat::kJsonLines);
  append_fault_row(rows, sample_run()[4]);
  const auto row = json_lines(out).at(0);
  EXPECT_EQ(row["fault"], 2);
  EXPECT_EQ(row["address"], "0x555555559ff8");
  EXPECT_EQ(row["cost_ns"], 960);
  EXPECT_EQ(row["edits"], 1);
  EXPECT_EQ(row["outcome"], "minor");
}

TEST(FaultViewTest, AnExitWithWhatCameOfIt) {
  auto run = sample_run();
  UserRegs regs;
  regs[UserRegs::kRdx] = 0x1234;
  std::get<Exit>(run[1].body).regs = regs;
  std::get<Exit>(run[1].body).detail = 6;
  ExitDetail detail{.event = run[1], .consequences = {run[2]}, .hosted = false, .host_ns = 4'000};
  fmt::memory_buffer out;
  append_exit_detail(out, detail, Colour::kNever);
  const std::string text = text_of(out);
  EXPECT_THAT(text, HasSubstr("page-fault at 0x7fff12345678: user write, page not present (error 0x6: W U)"));
  EXPECT_THAT(text, HasSubstr("KVM_EXIT_IO"));
  EXPECT_THAT(text, HasSubstr("1.0 us in the guest, then 4.0 us on the host"));
  EXPECT_THAT(text, HasSubstr("rdx 0000000000001234"));
  EXPECT_THAT(text, HasSubstr("mov dword ptr [rax], ecx")) << "the fault in full";
}

}  // namespace
}  // namespace faultline::vmm::inspect

#include "vmm/report_html/page_data.hpp"

#include <gtest/gtest.h>

#include "tests/unit/report_html/page_reader.hpp"

namespace faultline::vmm::report_html {
namespace {

using namespace recording;
using mmu::Pte;

class PageDataTest : public testing::Test {
 protected:
  void add(Body body, std::uint32_t process = 7) {
    ++number;
    data.add(Event{number, number * 1000, process, std::move(body)});
  }
  void process(ProcessEvent event, std::uint32_t pid, std::uint64_t root, std::string program = "", int status = 0) {
    add(ProcessChange{event, pid == 7 ? 0U : 7U, Gpa(root), std::move(program), status}, pid);
  }
  static VmaInfo vma(std::uint64_t start, std::uint64_t end, std::string_view name) {
    VmaInfo info;
    info.start = Gva(start);
    info.end = Gva(end);
    info.name.assign(name);
    return info;
  }
  static Fault fault(std::uint64_t address, std::uint64_t root = 0x50000) {
    Fault fault;
    FaultRecord& r = fault.record;
    r.process = 7;
    r.sequence = 3;
    r.ip = Gva(0x401000);
    r.address = Gva(address);
    r.error = mmu::ErrorCode(mmu::ErrorCode::kUser | mmu::ErrorCode::kWrite);
    r.before.count = 2;
    r.before.steps[0] = {4, Gpa(root + 8), Pte(0x51067), {}};
    r.before.steps[1] = {3, Gpa(0x51000), Pte(), {}};
    r.blame = {3, "P"};
    r.path.add(mmu::FaultStep::kVmaLocked);
    r.path.add(mmu::FaultStep::kAnonymousPage);
    r.times = {100, 1, 2, 3, 4};
    return fault;
  }
  test::Page page(std::string_view problem = {}) { return test::Page(data.finish(problem)); }

  RunInfo info;
  PageData data{info};
  std::uint64_t number = 0;
};

TEST_F(PageDataTest, NothingIsAPageToo) {
  const test::Page p = page("cut off after event 3");
  EXPECT_TRUE(p.complete);
  EXPECT_EQ(p.header["problem"], "cut off after event 3");
  EXPECT_EQ(p.header["levels"], 4);
  for (const auto& [name, values] : p.columns) EXPECT_TRUE(values.empty()) << name;
}

TEST_F(PageDataTest, AFaultInFull) {
  process(ProcessEvent::kStart, 7, 0x50000, "/bin/x");
  Fault f = fault(0xffff800000001234);
  f.record.vma = vma(0x1000, 0x2000, "[heap]");
  f.record.edits.add_allocated(Gfn(0x90));
  f.record.edits.add_copied(Gfn(0x80), Gfn(0x90));
  for (unsigned n = 0; n < 50; ++n) {
    const mmu::PteEdit edit{Gva(n * kPageSize), 1, Gpa(0x60000 + 8 * n), Pte(), Pte(0x8000000000090067)};
    f.record.edits.add(edit);
    f.all_edits.push_back(edit);
  }
  add(f);
  const test::Page p = page();
  EXPECT_EQ(p.wide("fault.event", 0), 2U);
  EXPECT_EQ(p.wide("fault.address", 0), 0xffff800000001234U);
  EXPECT_EQ(p.columns.at("fault.sequence").at(0), 3U);
  EXPECT_EQ(p.columns.at("fault.walk_count").at(0), 2U);
  EXPECT_EQ(p.wide("fault.slot0", 0), 0x50008U);
  EXPECT_EQ(p.wide("fault.entry0", 0), 0x51067U);
  EXPECT_EQ(p.wide("fault.slot1", 0), 0x51000U);
  EXPECT_EQ(p.columns.at("fault.blame_level").at(0), 3U);
  EXPECT_EQ(p.text("fault.blame_bit", 0), "P");
  EXPECT_EQ(p.header["paths"], nlohmann::json::parse(R"([["lock_vma_under_rcu", "do_anonymous_page"]])"));
  EXPECT_EQ(p.columns.at("fault.resume").at(0), 4U);
  // All edits, not only those that the record keeps.
  EXPECT_EQ(p.columns.at("fault.edits").at(0), 50U);
  EXPECT_EQ(p.columns.at("fault.edits_left_out").at(0), 0U);
  EXPECT_EQ(p.wide("edit.after", 49), 0x8000000000090067U);
  EXPECT_EQ(p.wide("fault.frames", 0), 0x90U);
  EXPECT_EQ(p.wide("fault.frames", 1), 0x80U);
  EXPECT_EQ(p.wide("fault.frames", 2), 0x90U);
  ASSERT_EQ(p.columns.at("fault.vma").at(0), 1U);
  EXPECT_EQ(p.text("vma.name", 0), "[heap]");
}

TEST_F(PageDataTest, VmasLastFromOneEventToAnother) {
  process(ProcessEvent::kStart, 7, 0x50000, "/bin/x");
  add(VmaChange{"mmap", Gva(0x1000), Gva(0x3000), {}, {vma(0x1000, 0x2000, "a"), vma(0x2000, 0x3000, "b")}});
  add(VmaChange{"munmap", Gva(0x1000), Gva(0x2000), {Gva(0x1000)}, {}});
  const test::Page p = page();
  ASSERT_EQ(p.columns.at("area.vma").size(), 2U);
  EXPECT_EQ(p.text("area.operation", 0), "mmap");
  EXPECT_EQ(p.wide("area.from", 0), 2U);
  EXPECT_EQ(p.wide("area.to", 0), 3U);
  EXPECT_EQ(p.wide("area.to", 1), 0U);
}

// A child's tables are filled before there is a child, and its parent's are not meant.
TEST_F(PageDataTest, TablesBelongToTheirRoot) {
  process(ProcessEvent::kStart, 7, 0x50000, "/bin/x");
  add(TableEdits{Gpa(0x70000), {{Gva(0x1000), 1, Gpa(0x71000), Pte(), Pte(0x90065)}}});
  process(ProcessEvent::kFork, 8, 0x70000);
  add(fault(0x1000));
  const test::Page p = page();
  ASSERT_EQ(p.columns.at("space.process"), (std::vector<std::uint32_t>{7, 8}));
  EXPECT_EQ(p.columns.at("edit.space").at(0), 1U);
  EXPECT_EQ(p.columns.at("fault.space").at(0), 0U);
  EXPECT_EQ(p.text("space.program", 1), "/bin/x");  // its parent's
}

TEST_F(PageDataTest, ExecAndExitEndASpace) {
  process(ProcessEvent::kStart, 7, 0x50000, "/bin/sh");
  process(ProcessEvent::kExec, 7, 0x60000, "/bin/ls");
  process(ProcessEvent::kExit, 7, 0, "", 3);
  add(Counters{});                           // the last figures of it
  process(ProcessEvent::kFork, 9, 0x60000);  // the frame is used again
  const test::Page p = page();
  EXPECT_EQ(p.columns.at("space.process"), (std::vector<std::uint32_t>{7, 7, 9}));
  EXPECT_EQ(p.wide("space.to", 0), 2U);
  EXPECT_EQ(p.wide("space.to", 1), 3U);
  EXPECT_EQ(p.columns.at("space.status").at(1), 3U);
  EXPECT_EQ(p.text("space.program", 1), "/bin/ls");
}

// vfork: the child is in its parent's tables until it runs a program.
TEST_F(PageDataTest, ASharedSpaceOutlivesTheChild) {
  process(ProcessEvent::kStart, 7, 0x50000, "/bin/sh");
  process(ProcessEvent::kFork, 8, 0x50000);
  process(ProcessEvent::kExec, 8, 0x60000, "/bin/ls");
  add(fault(0x1000));
  const test::Page p = page();
  EXPECT_EQ(p.columns.at("space.process"), (std::vector<std::uint32_t>{7, 8}));
  EXPECT_EQ(p.wide("space.to", 0), 0U);
  EXPECT_EQ(p.columns.at("fault.space").at(0), 0U);
}

TEST_F(PageDataTest, ARingWithoutItsStart) {
  number = 5000;
  add(fault(0x1000));
  add(Syscall{.number = 0, .arguments = {}, .result = -2, .started_ns = 10, .ended_ns = 25});
  const test::Page p = page();
  EXPECT_EQ(p.columns.at("space.process"), std::vector<std::uint32_t>{7});
  EXPECT_EQ(p.header["first"], 5001);
  EXPECT_EQ(p.columns.at("call.duration").at(0), 15U);
  EXPECT_EQ(p.columns.at("call.result").at(0), 2U);
  EXPECT_EQ(p.text("call.name", 0), "read");
}

// The kernel writes the stack of a program before it starts.
TEST_F(PageDataTest, AFaultBeforeTheStartBelongsToTheProcess) {
  add(fault(0x1000));
  process(ProcessEvent::kStart, 7, 0x50000, "/bin/x");
  add(fault(0x2000));
  const test::Page p = page();
  EXPECT_EQ(p.columns.at("space.process"), std::vector<std::uint32_t>{7});
  EXPECT_EQ(p.columns.at("fault.space"), (std::vector<std::uint32_t>{0, 0}));
  EXPECT_EQ(p.text("space.program", 0), "/bin/x");
}

TEST_F(PageDataTest, ARingThatBeginsWithoutAFault) {
  add(Syscall{});
  add(fault(0x2000));
  const test::Page p = page();
  EXPECT_EQ(p.columns.at("space.process"), std::vector<std::uint32_t>{7});
  EXPECT_EQ(p.columns.at("fault.space").at(0), 0U);
}

TEST_F(PageDataTest, WhatIsTooMuchIsCounted) {
  data = PageData(info, {.faults = 2, .edits = 1, .spaces = 1});
  process(ProcessEvent::kStart, 7, 0x50000, "/bin/x");
  process(ProcessEvent::kFork, 8, 0x60000);
  Fault f = fault(0x1000);
  f.all_edits.resize(3);
  for (int n = 0; n < 5; ++n) add(f);
  const test::Page p = page();
  EXPECT_EQ(p.columns.at("fault.space").size(), 2U);
  EXPECT_EQ(p.columns.at("space.process").size(), 1U);
  EXPECT_EQ(p.header["left_out"]["faults"], 3);
  EXPECT_EQ(p.header["left_out"]["edits"], 5);
  EXPECT_EQ(p.header["left_out"]["spaces"], 1);
  EXPECT_EQ(p.columns.at("fault.edits").at(0), 1U);
  EXPECT_EQ(p.columns.at("fault.edits_left_out").at(0), 2U);
}

TEST_F(PageDataTest, BytesThatAreNoTextStayJson) {
  process(ProcessEvent::kStart, 7, 0x50000, "\xff\xfe\"</script>");
  const test::Page p = page();
  EXPECT_EQ(p.text("space.program", 0), "\ufffd\ufffd\"</script>");
}

}  // namespace
}  // namespace faultline::vmm::report_html

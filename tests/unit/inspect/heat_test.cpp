#include "vmm/inspect/heat.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/inspect/sample_events.hpp"

namespace faultline::vmm::inspect {
namespace {

using testing::HasSubstr;

// A write fault in a VMA that is a heap, say.
Event fault_at(std::uint64_t address, std::uint64_t start, std::uint64_t end, std::string_view name = "[heap]") {
  FaultRecord record = anonymous_write();
  record.address = Gva(address);
  record.vma->start = Gva(start);
  record.vma->end = Gva(end);
  record.vma->name = name;
  return sample_event(1, address, sample_fault(std::move(record)));
}

TEST(HeatTest, CountsByPage) {
  Heat heat;
  for (const Event& event : sample_run()) heat.add(event);
  EXPECT_EQ(heat.faults(), 3u);
  const auto areas = heat.areas();
  ASSERT_EQ(areas.size(), 3u);
  EXPECT_EQ(areas[0]->name, "(none)");
  EXPECT_EQ(areas[0]->start, Gva(0x123000).page());
  EXPECT_EQ(areas[0]->pages.at(Gva(0x123000).page()).failed, 1u);
  EXPECT_EQ(areas[2]->name, "[stack]");
  EXPECT_EQ(areas[2]->program, "/bin/p");
  EXPECT_EQ(areas[2]->page_count(), 256u);
  EXPECT_EQ(areas[2]->pages.at(Gva(0x7fff12345000).page()).writes, 1u);
}

TEST(HeatTest, AVmaThatGrowsIsOneArea) {
  Heat heat;
  heat.add(fault_at(0x10000, 0x10000, 0x12000));
  heat.add(fault_at(0x30000, 0x30000, 0x31000));
  EXPECT_EQ(heat.areas().size(), 2u);
  heat.add(fault_at(0x13000, 0x10000, 0x20000));
  EXPECT_EQ(heat.areas().size(), 2u);
  heat.add(fault_at(0x20000, 0x20000, 0x30000));  // joins the two
  const auto areas = heat.areas();
  ASSERT_EQ(areas.size(), 1u);
  EXPECT_EQ(areas[0]->start, Gva(0x10000).page());
  EXPECT_EQ(areas[0]->end, Gva(0x31000).page());
  EXPECT_EQ(areas[0]->faults, 4u);
  EXPECT_EQ(areas[0]->pages.size(), 4u);
  heat.add(fault_at(0x30000, 0x30000, 0x40000, "[stack]"));
  EXPECT_EQ(heat.areas().size(), 2u) << "of another name";
}

TEST(HeatTest, AnotherProgramIsAnotherAddressSpace) {
  Heat heat;
  heat.add(fault_at(0x10000, 0x10000, 0x12000));
  recording::ProcessChange exec{
      .event = recording::ProcessEvent::kExec, .parent = 0, .root = Gpa(), .program = "/bin/q", .status = 0};
  heat.note_process(sample_event(2, 0, exec));
  heat.add(fault_at(0x10000, 0x10000, 0x12000));
  const auto areas = heat.areas();
  ASSERT_EQ(areas.size(), 2u);
  EXPECT_EQ(areas[0]->program, "?");
  EXPECT_EQ(areas[1]->program, "/bin/q");
}

TEST(HeatTest, HostileBoundsDoNotHarm) {
  Heat heat;
  heat.add(fault_at(0xffffffffffffffff, 0x1000, 0x2000));  // not in its VMA
  heat.add(fault_at(0x5000, 0x9000, 0x8000));              // ends before it begins
  heat.add(fault_at(0x1000, 0, ~0ULL, "all"));
  fmt::memory_buffer out;
  append_heat_text(out, heat, 0, Colour::kNever);
  EXPECT_LT(out.size(), 20'000u);
  EXPECT_THAT(text_of(out), HasSubstr("0xfffffffffffff000"));
}

TEST(HeatViewTest, AMapAndAList) {
  Heat heat;
  for (int n = 0; n < 5; ++n) heat.add(fault_at(0x11000, 0x10000, 0x10000 + 200 * kPageSize));
  heat.add(fault_at(0x13000, 0x10000, 0x10000 + 200 * kPageSize));
  fmt::memory_buffer out;
  append_heat_text(out, heat, 20, Colour::kNever);
  const std::string text = text_of(out);
  EXPECT_THAT(text, HasSubstr("[heap]: 6 faults on 2 of 200 pages\n"));
  EXPECT_THAT(text, HasSubstr("  0x000000010000 .4.1....")) << "5 faults are the shade of up to 8";
  EXPECT_THAT(text, HasSubstr(" 136 pages without a fault\n"));
  EXPECT_THAT(text, testing::ContainsRegex(" 5 +5 +0 +0  0x11000 "));
  out.clear();
  RowWriter rows(out, RowFormat::kCsv);
  append_heat_rows(rows, heat);
  const auto lines = csv_lines(out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0][2], "page");
  EXPECT_EQ(lines[1][2], "0x11000");
  EXPECT_EQ(lines[0][7], "faults");
  EXPECT_EQ(lines[1][7], "5");
}

TEST(HeatViewTest, ALargeVmaIsScaledDown) {
  Heat heat;
  const std::uint64_t end = 0x10000 + (1ULL << 40);
  heat.add(fault_at(0x10000, 0x10000, end));
  heat.add(fault_at(end - 1, 0x10000, end));
  fmt::memory_buffer out;
  append_heat_text(out, heat, 20, Colour::kNever);
  const std::string text = text_of(out);
  EXPECT_LT(std::ranges::count(text, '\n'), 30);
  EXPECT_THAT(text, HasSubstr(", a sign is 262144 pages"));
}

}  // namespace
}  // namespace faultline::vmm::inspect

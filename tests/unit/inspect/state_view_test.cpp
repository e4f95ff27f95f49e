#include "vmm/inspect/state_view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/inspect/sample_events.hpp"

namespace faultline::vmm::inspect {
namespace {

using mmu::Pte;
using testing::ContainsRegex;
using testing::HasSubstr;

// A process with one table and three pages, the last of them read-only and shared with another one.
recording::MachineState sample_state() {
  recording::MachineState state;
  state.event = 12;
  state.time_ns = 3'500'000;
  state.running = 100;
  const auto map = [](recording::ProcessState& p, std::uint64_t slot, std::uint64_t address, mmu::Level level,
                      Pte entry) {
    p.entries[slot] = {Gva(address), level, entry};
  };
  constexpr std::uint64_t kWritable = Pte::kPresent | Pte::kWrite | Pte::kUser | Pte::kDirty;
  recording::ProcessState& p = state.processes[100];
  p.process = 100;
  p.program = "/bin/p\x1b";
  p.root = Gpa(0x1000);
  map(p, 0x1000, 0, 4, Pte::make(Gfn(2), Pte::kTableFlags));
  map(p, 0x2000, 0, 3, Pte::make(Gfn(3), Pte::kTableFlags));
  map(p, 0x3010, 0x400000, 2, Pte::make(Gfn(4), Pte::kTableFlags));
  map(p, 0x4008, 0x401000, 1, Pte::make(Gfn(0x50), kWritable));
  map(p, 0x4010, 0x402000, 1, Pte::make(Gfn(0x51), kWritable));
  map(p, 0x4018, 0x403000, 1, Pte::make(Gfn(0x60), Pte::kPresent | Pte::kUser));
  VmaInfo vma;
  vma.start = Gva(0x401000);
  vma.end = Gva(0x406000);
  vma.flags = mmu::VmFlags(mmu::VmFlags::kRead);
  vma.name = "/bin/p";
  p.vmas[vma.start] = vma;
  recording::ProcessState& q = state.processes[101];
  q.process = 101;
  q.parent = 100;
  q.status = 3;
  map(q, 0x9000, 0x403000, 1, Pte::make(Gfn(0x60), Pte::kPresent | Pte::kUser));
  return state;
}

TEST(StateViewTest, Figures) {
  const auto state = sample_state();
  const TableFigures f = table_figures(state.processes.at(100), frame_use(state));
  EXPECT_EQ(f.tables, 3u);
  EXPECT_EQ(f.pages, 3u);
  EXPECT_EQ(f.writable, 2u);
  EXPECT_EQ(f.dirty, 2u);
  EXPECT_EQ(f.shared, 1u);
}

TEST(StateViewTest, TextShowsVmasAndTablesInTheOrderOfAWalk) {
  fmt::memory_buffer out;
  const auto state = sample_state();
  append_state_text(out, {state, {}}, Colour::kNever);
  const std::string text = text_of(out);
  EXPECT_THAT(text, HasSubstr("after event 12, at 3.500000 ms; process 100 has the vCPU"));
  EXPECT_THAT(text, HasSubstr("process 100  /bin/p?  root 0x1000\n"));
  EXPECT_THAT(text, HasSubstr("000000401000-000000406000 r--p 00000000        3 of        5 pages  /bin/p\n"));
  EXPECT_THAT(
      text,
      ContainsRegex("  PML4E\\[0\\] .*\n    PDPTE\\[0\\] .*\n      PDE\\[2\\] .*\n        PTE 0x000000401000 2 pages: "
                    ".* frame 0x50 onwards\n        PTE 0x000000403000 1 page: .* frame 0x60\n"));
  EXPECT_THAT(text, HasSubstr("process 101  ?  root 0x0, child of 100, ended with status 3\n"));
}

TEST(StateViewTest, NarrowedToAProcessAndAddresses) {
  fmt::memory_buffer out;
  const auto state = sample_state();
  Filter filter;
  filter.process = 100;
  filter.addresses = AddressRange{0x402000, 0x403000};
  append_state_text(out, {state, {}, filter}, Colour::kNever);
  const std::string text = text_of(out);
  EXPECT_THAT(text, HasSubstr("PTE 0x000000402000 1 page"));
  EXPECT_THAT(text, HasSubstr("walk       of 0x402000: mapped at guest-physical 0x51000"));
  EXPECT_EQ(text.find("0x50"), std::string::npos);
  EXPECT_EQ(text.find("process 101"), std::string::npos);
}

TEST(StateViewTest, Rows) {
  fmt::memory_buffer out;
  const auto state = sample_state();
  append_state_rows(out, RowFormat::kJsonLines, {state, {}});
  const auto json = json_lines(out);
  ASSERT_EQ(json.size(), 1u + 2 + 1 + 6 + 1);
  EXPECT_EQ(json[0]["kind"], "state");
  EXPECT_EQ(json[1]["mapped_pages"], 3);
  EXPECT_EQ(json[2]["status"], 3);
  EXPECT_EQ(json[3]["kind"], "vma");
  EXPECT_EQ(json[3]["mapped_pages"], 3);
  EXPECT_EQ(json[7]["kind"], "entry");
  EXPECT_EQ(json[7]["start"], "0x401000");
  EXPECT_EQ(json[7]["end"], "0x402000");
  EXPECT_EQ(json[7]["level"], 1);
  out.clear();
  append_state_rows(out, RowFormat::kCsv, {state, {}});
  const auto csv = csv_lines(out);
  EXPECT_EQ(csv.size(), 1u + 1 + 6 + 1);
  for (const auto& cells : csv) EXPECT_EQ(cells.size(), csv[0].size());
}

TEST(StateViewTest, HostileEntriesDoNotHarm) {
  recording::MachineState state;
  recording::ProcessState& p = state.processes[1];
  p.entries[0] = {Gva(~0ULL), 1, Pte(0x67)};
  p.entries[8] = {Gva(~0ULL), 5, Pte(0x67)};
  p.entries[16] = {Gva(0), 0, Pte(0x67)};
  p.entries[24] = {Gva(0), 77, Pte(0x67)};
  fmt::memory_buffer out;
  append_state_text(out, {state, {}}, Colour::kNever);
  append_state_rows(out, RowFormat::kJsonLines, {state, {}});
  EXPECT_GT(out.size(), 0u);
}

}  // namespace
}  // namespace faultline::vmm::inspect

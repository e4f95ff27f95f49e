// A machine as it was at one moment of a recording: VMAs, page tables, memory figures.
#pragma once

#include <fmt/format.h>

#include <unordered_map>

#include "vmm/inspect/filter.hpp"
#include "vmm/inspect/rows.hpp"
#include "vmm/record/format.hpp"
#include "vmm/recording/state.hpp"

namespace faultline::vmm::inspect {

// Of the filter, `process` and `addresses` count: only these VMAs and entries are shown, and for
// a range of one page the walk of its address.
struct StateView {
  const recording::MachineState& state;
  const recording::RunInfo& info;
  Filter filter = {};
};

// What the tables of a process hold, counted.
struct TableFigures {
  std::uint64_t tables = 0;     // present entries that point to a table
  std::uint64_t pages = 0;      // of 4 KiB, that an entry maps; large leaves count as many
  std::uint64_t zero_page = 0;  // of these, mapped without a frame of their own
  std::uint64_t writable = 0, dirty = 0;
  std::uint64_t prot_none = 0, swapped = 0, markers = 0;
  std::uint64_t shared = 0;  // pages whose frame another entry maps as well, of any process
};
// How often each frame is mapped, by its number, all processes together.
using FrameUse = std::unordered_map<std::uint64_t, std::uint64_t>;
FrameUse frame_use(const recording::MachineState& state);
TableFigures table_figures(const recording::ProcessState& process, const FrameUse& use);

// VMAs as `faultline walk --vmas` shows them, tables as `walk --tree` does.
void append_state_text(fmt::memory_buffer& out, const StateView& view, Colour colour);
// Rows of kinds "vma" and "entry"; in JSON preceded by objects for the machine and each process.
void append_state_rows(fmt::memory_buffer& out, RowFormat format, const StateView& view);

}  // namespace faultline::vmm::inspect

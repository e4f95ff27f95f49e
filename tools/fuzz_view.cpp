// The traces of one program in columns.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "tools/fuzz_program.hpp"
#include "vmm/fuzz/text.hpp"
#include "vmm/fuzz/words.hpp"

namespace faultline::tools {

namespace {

using namespace vmm::fuzz;

std::string cell(const Program& program, std::size_t i, const Trace& trace) {
  return i < trace.steps.size() ? step_words(program.operations[i].op, trace.steps[i], trace.fields) : "-";
}

void print_step(fmt::memory_buffer& out, const Program& program, std::span<const Trace> traces, std::size_t i,
                bool marked, std::size_t width) {
  fmt::format_to(std::back_inserter(out), "{}{:3}  {}\n", marked ? ">" : " ", i, to_text(program.operations[i]));
  std::vector<std::string> cells;
  for (const Trace& t : traces) cells.push_back(cell(program, i, t));
  if (std::ranges::all_of(cells, [&](const std::string& c) { return c == cells.front(); })) {
    fmt::format_to(std::back_inserter(out), "        {:<{}}  {}\n", "all", width, cells.front());
    return;
  }
  for (std::size_t t = 0; t < traces.size(); ++t)
    fmt::format_to(std::back_inserter(out), "        {:<{}}  {}\n", traces[t].judge, width, cells[t]);
}

// What one judge saw at the end that not all did.
std::vector<std::string> end_lines(const Trace& trace) {
  std::vector<std::string> lines;
  for (const SeenProcess& p : trace.processes) {
    for (const SeenVma& vma : p.vmas) lines.push_back(fmt::format("process {}: {}", p.number, vma_words(vma)));
    if ((trace.fields & kPagesField) == 0) continue;
    for (const SeenPage& page : p.pages)
      lines.push_back(
          fmt::format("process {}: {}", p.number, page_words(page, (trace.fields & kAccessedDirtyField) != 0)));
  }
  for (const std::string& broken : trace.broken) lines.push_back("broken: " + broken);
  return lines;
}

void print_end(fmt::memory_buffer& out, std::span<const Trace> traces, bool marked, std::size_t width) {
  fmt::format_to(std::back_inserter(out), "{}end\n", marked ? ">" : " ");
  std::vector<std::vector<std::string>> all;
  for (const Trace& t : traces) all.push_back(end_lines(t));
  std::vector<std::string> order;
  std::set<std::string> seen;
  for (const auto& lines : all) {
    for (const auto& line : lines) {
      if (seen.insert(line).second) order.push_back(line);
    }
  }
  for (const std::string& line : order) {
    std::string who;
    std::size_t count = 0;
    for (std::size_t t = 0; t < traces.size(); ++t) {
      if (std::ranges::find(all[t], line) == all[t].end()) continue;
      who += (who.empty() ? "" : ",") + traces[t].judge;
      ++count;
    }
    fmt::format_to(std::back_inserter(out), "        {:<{}}  {}\n", count == traces.size() ? "all" : who, width, line);
  }
}

}  // namespace

std::string side_by_side(const Program& program, std::span<const Trace> traces, const Disagreement* first) {
  std::size_t width = 3;
  for (const Trace& t : traces) width = std::max(width, t.judge.size());
  fmt::memory_buffer out;
  for (std::size_t i = 0; i < program.operations.size(); ++i)
    print_step(out, program, traces, i, first != nullptr && first->step == i, width);
  print_end(out, traces, first != nullptr && first->step >= program.operations.size(), width);
  return fmt::to_string(out);
}

}  // namespace faultline::tools

#include "vmm/fuzz/finding/side_by_side.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "vmm/fuzz/text.hpp"
#include "vmm/fuzz/words.hpp"

namespace faultline::vmm::fuzz {

namespace {

using Lines = std::vector<std::string>;

std::string step_of(const Program& program, const Trace& trace, std::size_t i) {
  if (i >= trace.steps.size()) return "(nothing any more)";
  return step_words(program.operations[i].op, trace.steps[i], trace.fields);
}

void append(std::string& out, const std::string& name, std::size_t width, const std::string& words, bool differ) {
  out += fmt::format("{}      {:{}}  {}\n", differ ? '*' : ' ', name, width, words);
}

Lines end_of(const Trace& trace) {
  Lines lines;
  for (const SeenProcess& p : trace.processes) {
    const auto add = [&](std::string words) { lines.push_back(fmt::format("process {}: {}", p.number, words)); };
    if ((trace.fields & kVmasField) != 0) {
      for (const SeenVma& v : p.vmas) add(vma_words(v));
    }
    if ((trace.fields & kPagesField) != 0) {
      for (const SeenPage& page : p.pages) add(page_words(page, (trace.fields & kAccessedDirtyField) != 0));
    }
    if ((trace.fields & kContentField) != 0) {
      for (const SeenContent& c : p.content) add(content_words(c));
    }
  }
  for (const std::string& b : trace.broken) lines.push_back("broken: " + b);
  return lines;
}

// What all have once, then what only some have.
void append_end(std::string& out, std::span<const Trace> traces, std::size_t width) {
  std::vector<Lines> ends;
  for (const Trace& t : traces) ends.push_back(end_of(t));
  const auto everywhere = [&ends](const std::string& line) {
    return std::ranges::all_of(ends, [&line](const Lines& l) { return std::ranges::find(l, line) != l.end(); });
  };
  if (!ends.empty()) {
    for (const std::string& line : ends.front()) {
      if (everywhere(line)) append(out, "all", width, line, false);
    }
  }
  for (std::size_t i = 0; i < ends.size(); ++i) {
    for (const std::string& line : ends[i]) {
      if (!everywhere(line)) append(out, traces[i].judge, width, line, true);
    }
  }
}

}  // namespace

std::string side_by_side(const Program& program, std::span<const Trace> traces, const Disagreement& disagreement) {
  std::size_t width = 3;
  for (const Trace& t : traces) width = std::max(width, t.judge.size());
  std::string out;
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    out += fmt::format("{} {:3}  {}\n", i == disagreement.step ? '>' : ' ', i, to_text(program.operations[i]));
    Lines said;
    for (const Trace& t : traces) said.push_back(step_of(program, t, i));
    const bool same = std::ranges::adjacent_find(said, std::ranges::not_equal_to{}) == said.end();
    if (same && !said.empty()) {
      append(out, "all", width, said.front(), false);
    } else {
      for (std::size_t k = 0; k < said.size(); ++k) append(out, traces[k].judge, width, said[k], true);
    }
  }
  out += fmt::format("{} the end\n", disagreement.step >= program.operations.size() ? '>' : ' ');
  append_end(out, traces, width);
  return out;
}

}  // namespace faultline::vmm::fuzz

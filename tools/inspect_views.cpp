#include "tools/inspect_views.hpp"

#include <algorithm>

#include "tools/complain.hpp"
#include "vmm/inspect/diff.hpp"
#include "vmm/inspect/event_text.hpp"
#include "vmm/inspect/fault_view.hpp"
#include "vmm/inspect/heat.hpp"
#include "vmm/inspect/state_view.hpp"
#include "vmm/inspect/summary_view.hpp"
#include "vmm/recording/state.hpp"

namespace faultline::tools {

namespace {

using namespace vmm::inspect;
using vmm::recording::Event;
using vmm::recording::Exit;
using vmm::recording::Fault;
using vmm::recording::Reader;

RowFormat row_format(const InspectOptions& o) {
  return o.format == InspectFormat::kCsv ? RowFormat::kCsv : RowFormat::kJsonLines;
}
bool as_text(const InspectOptions& o) { return o.format == InspectFormat::kText; }

int nothing(const std::string& message) {
  complain(message);
  return kInspectNothing;
}

// After a pass that `shown` events passed.
int unless_empty(const InspectOptions& o, std::uint64_t shown) {
  if (shown != 0 || !o.filter.any()) return 0;
  return nothing(fmt::format("{}: nothing passes the filters", o.file));
}

int show_summary(Reader& reader, const InspectOptions& o, vmm::Colour colour, Output& output) {
  reader.decode_instructions(false);
  Summarizer summarizer(o.filter);
  while (const auto event = reader.next()) summarizer.add(*event);
  const Summary summary = summarizer.finish();
  if (as_text(o)) {
    append_summary_text(output.buffer(), reader.info(), summary, o.top, colour);
  } else {
    append_summary_rows(output.buffer(), row_format(o), reader.info(), summary);
  }
  return unless_empty(o, summary.events);
}

int show_timeline(Reader& reader, const InspectOptions& o, vmm::Colour colour, Output& output) {
  RowWriter rows(output.buffer(), row_format(o));
  reader.decode_instructions(rows.is_json() && !as_text(o));
  if (as_text(o)) append_heading(output.buffer(), colour);
  std::uint64_t shown = 0;
  while (const auto event = reader.next()) {
    if (!o.filter.matches(*event)) continue;
    ++shown;
    as_text(o) ? append_line(output.buffer(), *event, colour) : append_row(rows, *event);
    if (!output.keep_up()) break;
  }
  return unless_empty(o, shown);
}

int show_faults(Reader& reader, const InspectOptions& o, vmm::Colour colour, Output& output) {
  RowWriter rows(output.buffer(), row_format(o));
  if (as_text(o)) append_fault_heading(output.buffer(), colour);
  std::uint64_t shown = 0;
  while (const auto event = reader.next()) {
    if (!std::holds_alternative<Fault>(event->body) || !o.filter.matches(*event)) continue;
    ++shown;
    as_text(o) ? append_fault_line(output.buffer(), *event, colour) : append_fault_row(rows, *event);
    if (!output.keep_up()) break;
  }
  return unless_empty(o, shown);
}

int show_fault(Reader& reader, const InspectOptions& o, vmm::Colour colour, Output& output) {
  reader.decode_instructions(false);
  std::uint64_t found = 0, first = 0, last = 0;
  while (const auto event = reader.next()) {
    const auto* fault = std::get_if<Fault>(&event->body);
    if (fault == nullptr) continue;
    last = fault->record.sequence;
    if (first == 0) first = last;
    if (last != o.number) continue;
    found = event->number;
    break;
  }
  if (found == 0) {
    if (last == 0) return nothing(fmt::format("{}: there are no faults in it", o.file));
    return nothing(fmt::format("{}: there is no fault {}, but {} to {}", o.file, o.number, first, last));
  }
  reader.decode_instructions(true);
  reader.seek(found);
  const auto event = reader.next();
  if (!event || !std::holds_alternative<Fault>(event->body)) return nothing(o.file + ": it changed while it was read");
  if (as_text(o)) {
    append_fault_detail(output.buffer(), *event, colour);
  } else if (o.format == InspectFormat::kJsonLines) {
    append_fault_object(output.buffer(), *event);
  } else {
    RowWriter rows(output.buffer(), RowFormat::kCsv);
    append_fault_row(rows, *event);
  }
  return 0;
}

// Event `number` when that is an exit, else the last exit before it.
std::optional<Event> find_exit(Reader& reader, std::uint64_t number) {
  constexpr std::uint64_t kFirstWindow = 256;
  for (std::uint64_t window = kFirstWindow;; window *= 8) {
    const std::uint64_t from = number > window ? number - window : 0;
    std::optional<Event> found;
    reader.seek(from);
    while (auto event = reader.next()) {
      if (event->number > number) break;
      if (std::holds_alternative<Exit>(event->body)) found = std::move(event);
    }
    if (found || from <= reader.first()) return found;
  }
}

int show_exit(Reader& reader, const InspectOptions& o, vmm::Colour colour, Output& output) {
  constexpr std::size_t kMaxConsequences = 10'000;
  if (o.number < reader.first() || o.number > reader.last() || reader.last() == 0) {
    return nothing(
        fmt::format("{}: there is no event {}, but {} to {}", o.file, o.number, reader.first(), reader.last()));
  }
  reader.decode_instructions(false);
  auto found = find_exit(reader, o.number);
  if (!found) return nothing(fmt::format("{}: event {} came before the first exit", o.file, o.number));
  ExitDetail detail{.event = std::move(*found), .consequences = {}, .hosted = is_hosted(reader.info())};
  reader.decode_instructions(true);
  reader.seek(detail.event.number + 1);
  while (auto event = reader.next()) {
    if (const auto* exit = std::get_if<Exit>(&event->body)) {
      const std::uint64_t left = std::get<Exit>(detail.event.body).left_ns;
      detail.host_ns = exit->entered_ns > left ? exit->entered_ns - left : 0;
      break;
    }
    if (detail.consequences.size() == kMaxConsequences) break;
    detail.consequences.push_back(std::move(*event));
  }
  if (as_text(o)) {
    append_exit_detail(output.buffer(), detail, colour);
  } else {
    RowWriter rows(output.buffer(), row_format(o));
    append_exit_rows(rows, detail);
  }
  return 0;
}

// The last event before the first one that is later; 0: there is none.
std::uint64_t event_at(Reader& reader, std::uint64_t ns) {
  std::uint64_t number = 0;
  while (const auto event = reader.next()) {
    if (event->time_ns > ns) break;
    number = event->number;
  }
  return number;
}

int show_state(Reader& reader, const InspectOptions& o, vmm::Colour colour, Output& output) {
  reader.decode_instructions(false);
  const std::uint64_t number = o.at_ns ? event_at(reader, *o.at_ns) : o.number;
  if (number == 0) return nothing(o.file + ": there is no event before that time");
  const auto state = vmm::recording::state_at(reader, number);
  if (!state) return nothing(fmt::format("{}: {}", o.file, state.error().message));
  if (o.filter.process && !state->processes.contains(*o.filter.process))
    return nothing(fmt::format("{}: there is no process {} after event {}", o.file, *o.filter.process, number));
  const StateView view{*state, reader.info(), o.filter};
  if (as_text(o)) {
    append_state_text(output.buffer(), view, colour);
  } else {
    append_state_rows(output.buffer(), row_format(o), view);
  }
  return 0;
}

int show_heat(Reader& reader, const InspectOptions& o, vmm::Colour colour, Output& output) {
  reader.decode_instructions(false);
  Heat heat;
  while (const auto event = reader.next()) o.filter.matches(*event) ? heat.add(*event) : heat.note_process(*event);
  if (as_text(o)) {
    append_heat_text(output.buffer(), heat, o.top, colour);
  } else {
    RowWriter rows(output.buffer(), row_format(o));
    append_heat_rows(rows, heat);
  }
  return unless_empty(o, heat.faults());
}

}  // namespace

int show_view(Reader& reader, const InspectOptions& o, vmm::Colour colour, Output& output) {
  switch (o.view) {
    case InspectView::kSummary: return show_summary(reader, o, colour, output);
    case InspectView::kTimeline: return show_timeline(reader, o, colour, output);
    case InspectView::kFaults: return show_faults(reader, o, colour, output);
    case InspectView::kExit: return show_exit(reader, o, colour, output);
    case InspectView::kFault: return show_fault(reader, o, colour, output);
    case InspectView::kAt: return show_state(reader, o, colour, output);
    case InspectView::kHeat: return show_heat(reader, o, colour, output);
    case InspectView::kDiff: break;  // of two recordings: show_diff()
    case InspectView::kHtml:
    case InspectView::kTrace:  // these have an output of their own
    case InspectView::kFolded:
    case InspectView::kTui: break;
  }
  return 0;
}

int show_diff(Reader& a, Reader& b, const InspectOptions& o, vmm::Colour colour, Output& output) {
  const Diff diff = compare(a, b);
  if (as_text(o)) {
    append_diff_text(output.buffer(), diff, o.top, colour);
  } else {
    RowWriter rows(output.buffer(), row_format(o));
    append_diff_rows(rows, diff);
  }
  return diff.same() ? 0 : kInspectNothing;
}

}  // namespace faultline::tools

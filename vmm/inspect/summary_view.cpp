#include "vmm/inspect/summary_view.hpp"

#include <fmt/chrono.h>

#include <algorithm>
#include <vector>

#include "vmm/inspect/event_text.hpp"
#include "vmm/inspect/painter.hpp"
#include "vmm/record/printable.hpp"
#include "vmm/recording/run_info_json.hpp"

namespace faultline::vmm::inspect {

namespace {

struct CostRow {
  std::string_view kind;
  std::string name;
  const Durations* time;
};

// Most time first.
std::vector<CostRow> sorted(std::vector<CostRow> rows) {
  std::ranges::stable_sort(rows, [](const CostRow& a, const CostRow& b) { return a.time->total() > b.time->total(); });
  return rows;
}

std::vector<CostRow> exit_rows(const Summary& s) {
  std::vector<CostRow> rows;
  for (const auto& [reason, time] : s.exits) rows.push_back({"exit", std::string(name(reason)), &time});
  return sorted(std::move(rows));
}
std::vector<CostRow> path_rows(const Summary& s) {
  std::vector<CostRow> rows;
  for (const auto& [path, time] : s.paths) rows.push_back({"path", path, &time});
  return sorted(std::move(rows));
}
std::vector<CostRow> syscall_rows(const Summary& s) {
  std::vector<CostRow> rows;
  for (const auto& [number, time] : s.syscalls) rows.push_back({"syscall", syscall_text(number), &time});
  return sorted(std::move(rows));
}

double share(const Summary& s, std::uint64_t ns) {
  return s.duration_ns() == 0 ? 0 : static_cast<double>(ns) / static_cast<double>(s.duration_ns());
}

void append_head(Painter& p, const recording::RunInfo& info, const Summary& s) {
  p.label("program").ink(Ink::kBold, command_text(info)).end();
  p.label("ran on").put("{}, as Linux {}, {} paging, {} MiB of memory", printable(info.backend),
                        printable(info.linux_behaviour), name(info.mode), info.memory_bytes >> 20);
  p.end();
  p.label("host").put("Linux {}, {}; faultline {}", printable(info.host_kernel), printable(info.cpu),
                      printable(info.faultline_version));
  p.end();
  p.label("started").raw(start_text(info)).end();
  p.label("events").put("{}", s.events);
  if (s.events != 0) p.put(", number {} to {}, over {}", s.first_event, s.last_event, duration_text(s.duration_ns()));
  if (info.ring_bytes != 0) p.put("; the latest that {} KiB hold", info.ring_bytes >> 10);
  p.end();
  if (s.end) p.label("end").put("{}, status {}", s.end->reason, s.end->status).end();
}

void append_cost_heading(Painter& p, std::string_view what) {
  p.end().heading(fmt::format("{:>9} {:>8} {:>12} {:>10} {:>10} {:>10} {:>12}  {}", "count", "share", "total ms",
                              "p50 us", "p90 us", "p99 us", "max us", what));
}

void append_cost(Painter& p, const Summary& s, const CostRow& row) {
  const Durations& t = *row.time;
  p.put("{:>9} {:>7.2f}% {:>12.3f} {:>10.1f} {:>10.1f} {:>10.1f} {:>12.1f}  {}", t.count(), 100 * share(s, t.total()),
        millis(t.total()), micros(t.percentile(0.5)), micros(t.percentile(0.9)), micros(t.percentile(0.99)),
        micros(t.max()), row.name);
  p.end();
}

void append_exits(Painter& p, const Summary& s) {
  append_cost_heading(p, "exit");
  append_cost(p, s, {"guest", "(guest)", &s.guest});
  for (const CostRow& row : exit_rows(s)) append_cost(p, s, row);
}

void append_paths(Painter& p, const Summary& s) {
  if (s.paths.empty()) return;
  append_cost_heading(p, "fault path");
  for (const CostRow& row : path_rows(s)) append_cost(p, s, row);
}

void append_syscalls(Painter& p, const Summary& s, std::size_t top) {
  if (s.syscalls.empty()) return;
  append_cost_heading(p, "system call");
  const auto rows = syscall_rows(s);
  const std::size_t shown = top == 0 ? rows.size() : std::min(top, rows.size());
  for (std::size_t n = 0; n < shown; ++n) append_cost(p, s, rows[n]);
  if (shown < rows.size()) p.ink(Ink::kDim, fmt::format("and {} more (--top 0 shows all)", rows.size() - shown)).end();
  if (s.waits.count() != 0) p.put("of which {} waited, {}", s.waits.count(), duration_text(s.waits.total())).end();
}

void append_counts(Painter& p, const recording::RunInfo& info, const Summary& s) {
  p.end().label("faults").put("{}", s.fault_count());
  const char* separator = ": ";
  for (const auto& [outcome, count] : s.outcomes) {
    p.put("{}{} {}", separator, count, outcome);
    separator = ", ";
  }
  p.end();
  if (!s.signals.empty()) {
    p.label("signals");
    separator = "";
    for (const auto& [number, count] : s.signals) {
      p.put("{}{} {}", separator, count, signal_text(number));
      separator = ", ";
    }
    p.end();
  }
  if (s.raw_exits.empty()) return;
  p.label("raw exits");
  separator = "";
  for (const auto& [reason, count] : s.raw_exits) {
    p.put("{}{} {}", separator, count, raw_exit_name(reason, is_hosted(info)));
    separator = ", ";
  }
  p.end();
}

void append_processes(Painter& p, const Summary& s) {
  if (s.processes.empty()) return;
  p.end().heading(fmt::format("{:<8} {:>8} {:>9} {:>9} {:>9} {:>12} {:>10} {:>7}  {}", "process", "parent", "exits",
                              "faults", "syscalls", "guest ms", "peak KiB", "status", "program"));
  for (const auto& [pid, process] : s.processes) {
    if (process.exits + process.faults + process.syscalls == 0 && process.program.empty()) continue;
    p.put("{:<8} {:>8} {:>9} {:>9} {:>9} {:>12.3f} {:>10} {:>7}  {}", pid,
          process.parent == 0 ? "-" : fmt::format("{}", process.parent), process.exits, process.faults,
          process.syscalls, millis(process.guest_ns), process.rss_peak << 2,
          process.status ? fmt::format("{}", *process.status) : "-", process.program.empty() ? "?" : process.program);
    p.end();
  }
}

void write_recording(fmt::memory_buffer& out, const recording::RunInfo& info, const Summary& s) {
  JsonWriter w(out);
  w.begin_object();
  w.key("kind").string("recording");
  w.key("version").number(1);
  recording::write_run(w, info);
  w.key("paging").string(name(info.mode));
  w.key("memory_bytes").number(info.memory_bytes);
  w.key("started_unix_ns").number(info.started_unix_ns);
  w.key("ring_bytes").number(info.ring_bytes);
  w.key("events").number(s.events);
  w.key("first_event").number(s.first_event);
  w.key("last_event").number(s.last_event);
  w.key("duration_ns").number(s.duration_ns());
  w.key("faults").number(s.fault_count());
  w.key("end");
  s.end ? w.string(s.end->reason) : w.null();
  w.key("status");
  s.end ? w.number(s.end->status) : w.null();
  w.end_object();
  out.push_back('\n');
}

void write_process(fmt::memory_buffer& out, std::uint32_t pid, const ProcessSummary& process) {
  JsonWriter w(out);
  w.begin_object();
  w.key("kind").string("process");
  w.key("process").number(pid);
  w.key("parent").number(process.parent);
  w.key("program").string(process.program);
  w.key("status");
  process.status ? w.number(*process.status) : w.null();
  w.key("exits").number(process.exits);
  w.key("faults").number(process.faults);
  w.key("syscalls").number(process.syscalls);
  w.key("guest_ns").number(process.guest_ns);
  w.key("rss_pages").number(process.rss_pages);
  w.key("rss_peak_pages").number(process.rss_peak);
  w.end_object();
  out.push_back('\n');
}

void write_cost(RowWriter& rows, const Summary& s, const CostRow& row) {
  const Durations& t = *row.time;
  rows.begin();
  rows.text("kind", row.kind).text("name", row.name).number("count", t.count()).real("share", share(s, t.total()));
  rows.number("total_ns", t.total()).number("p50_ns", t.percentile(0.5)).number("p90_ns", t.percentile(0.9));
  rows.number("p99_ns", t.percentile(0.99)).number("max_ns", t.max());
  rows.end();
}

void write_count(RowWriter& rows, std::string_view kind, const std::string& name, std::uint64_t count) {
  rows.begin();
  rows.text("kind", kind).text("name", name).number("count", count).none("share").none("total_ns").none("p50_ns");
  rows.none("p90_ns").none("p99_ns").none("max_ns");
  rows.end();
}

// As a shell would want it.
std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,@%+-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

std::string command_text(const recording::RunInfo& info) {
  std::string text;
  for (const std::string& word : info.command) text += (text.empty() ? "" : " ") + shell_word(printable(word));
  return text;
}

std::string start_text(const recording::RunInfo& info) {
  constexpr std::uint64_t kLastYear = 250'000'000'000;  // in seconds: beyond, no calendar follows
  const std::uint64_t at = info.started_unix_ns / 1'000'000'000;
  if (at > kLastYear) return "?";
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(at)));
}

void append_summary_text(fmt::memory_buffer& out, const recording::RunInfo& info, const Summary& s, std::size_t top,
                         Colour colour) {
  Painter p(out, colour);
  append_head(p, info, s);
  append_exits(p, s);
  append_paths(p, s);
  append_syscalls(p, s, top);
  append_counts(p, info, s);
  append_processes(p, s);
}

void append_summary_rows(fmt::memory_buffer& out, RowFormat format, const recording::RunInfo& info, const Summary& s) {
  if (format == RowFormat::kJsonLines) {
    write_recording(out, info, s);
    for (const auto& [pid, process] : s.processes) write_process(out, pid, process);
  }
  RowWriter rows(out, format);
  write_cost(rows, s, {"guest", "(guest)", &s.guest});
  for (const auto& row : exit_rows(s)) write_cost(rows, s, row);
  for (const auto& row : path_rows(s)) write_cost(rows, s, row);
  for (const auto& row : syscall_rows(s)) write_cost(rows, s, row);
  write_cost(rows, s, {"wait", "system calls that waited", &s.waits});
  for (const auto& [outcome, count] : s.outcomes) write_count(rows, "outcome", outcome, count);
  for (const auto& [number, count] : s.signals) write_count(rows, "signal", signal_text(number), count);
  for (const auto& [reason, count] : s.raw_exits)
    write_count(rows, "raw-exit", raw_exit_name(reason, is_hosted(info)), count);
}

}  // namespace faultline::vmm::inspect

#include <algorithm>
#include <cmath>
#include <limits>

#include "vmm/inspect/diff.hpp"
#include "vmm/inspect/event_text.hpp"
#include "vmm/inspect/painter.hpp"
#include "vmm/inspect/summary_view.hpp"
#include "vmm/record/printable.hpp"

namespace faultline::vmm::inspect {

namespace {

struct CostPair {
  std::string_view kind;
  std::string name;
  Durations a, b;

  [[nodiscard]] std::uint64_t change() const {
    return a.total() > b.total() ? a.total() - b.total() : b.total() - a.total();
  }
};

// The same keys of both sides together, greatest change of the total first.
template <class Map, class Name>
std::vector<CostPair> pairs(std::string_view kind, const Map& a, const Map& b, Name name_of) {
  std::map<typename Map::key_type, CostPair> joined;
  for (const auto& [key, time] : a) joined[key].a = time;
  for (const auto& [key, time] : b) joined[key].b = time;
  std::vector<CostPair> all;
  for (auto& [key, pair] : joined) {
    pair.kind = kind;
    pair.name = name_of(key);
    all.push_back(std::move(pair));
  }
  std::ranges::stable_sort(all, [](const CostPair& x, const CostPair& y) { return x.change() > y.change(); });
  return all;
}

std::vector<CostPair> exit_pairs(const Diff& d) {
  auto all = pairs("exit", d.a.exits, d.b.exits, [](recording::ExitReason r) { return std::string(name(r)); });
  all.insert(all.begin(), {"guest", "(guest)", d.a.guest, d.b.guest});
  return all;
}
std::vector<CostPair> path_pairs(const Diff& d) {
  return pairs("path", d.a.paths, d.b.paths, [](const std::string& path) { return path; });
}
std::vector<CostPair> syscall_pairs(const Diff& d) {
  return pairs("syscall", d.a.syscalls, d.b.syscalls, [](std::uint64_t n) { return syscall_text(n); });
}

// B over A; no number when A is 0.
double ratio(std::uint64_t a, std::uint64_t b) {
  return a == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(b) / static_cast<double>(a);
}

std::string ratio_text(std::uint64_t a, std::uint64_t b) {
  const double r = ratio(a, b);
  return std::isfinite(r) ? fmt::format("{:.2f}x", r) : "-";
}

void append_sides(Painter& p, const Diff& d) {
  const auto side = [&p](std::string_view name, const recording::RunInfo& info, const Summary& s) {
    p.label(name).put("{} on {}, as Linux {}, faultline {}; {} events, {} faults, {}", command_text(info),
                      printable(info.backend), printable(info.linux_behaviour), printable(info.faultline_version),
                      s.events, s.fault_count(), duration_text(s.duration_ns()));
    p.end();
  };
  side("A", d.info_a, d.a);
  side("B", d.info_b, d.b);
}

void append_event(Painter& p, fmt::memory_buffer& out, std::string_view label, Ink ink,
                  const std::optional<recording::Event>& event, Colour colour) {
  p.ink(ink, fmt::format("{:<6}", label));
  if (event) {
    append_line(out, *event, colour);
  } else {
    p.raw("  (no more events of this process)").end();
  }
}

void append_divergences(Painter& p, fmt::memory_buffer& out, const Diff& d, std::size_t top, Colour colour) {
  const std::size_t shown = top == 0 ? d.divergences.size() : std::min(top, d.divergences.size());
  for (std::size_t n = 0; n < shown; ++n) {
    const Divergence& part = d.divergences[n];
    p.end().heading(fmt::format("{} divergence: process {}, after {} events that are the same",
                                n == 0 ? "first" : "another", part.process, part.common));
    if (part.last_a) append_event(p, out, "both", Ink::kDim, part.last_a, colour);
    append_event(p, out, "A", Ink::kRed, part.a, colour);
    append_event(p, out, "B", Ink::kGreen, part.b, colour);
  }
  if (shown < d.differing) p.put("{} more processes differ\n", d.differing - shown);
}

void append_costs(Painter& p, std::string_view what, const std::vector<CostPair>& all, std::size_t top) {
  if (all.empty()) return;
  p.end().heading(fmt::format("{:>9} {:>9} {:>10} {:>10} {:>8} {:>12} {:>12} {:>8}  {}", "count A", "count B",
                              "p50 us A", "p50 us B", "B/A", "total ms A", "total ms B", "B/A", what));
  const std::size_t shown = top == 0 ? all.size() : std::min(top, all.size());
  for (std::size_t n = 0; n < shown; ++n) {
    const CostPair& c = all[n];
    const std::uint64_t p50_a = c.a.percentile(0.5), p50_b = c.b.percentile(0.5);
    p.put("{:>9} {:>9} {:>10.1f} {:>10.1f} {:>8} {:>12.3f} {:>12.3f} {:>8}  {}", c.a.count(), c.b.count(),
          micros(p50_a), micros(p50_b), ratio_text(p50_a, p50_b), millis(c.a.total()), millis(c.b.total()),
          ratio_text(c.a.total(), c.b.total()), c.name);
    p.end();
  }
  if (shown < all.size()) p.ink(Ink::kDim, fmt::format("and {} more (--top 0 shows all)", all.size() - shown)).end();
}

void write_side(RowWriter& rows, std::string_view side, const std::optional<recording::Event>& event) {
  const std::string number = fmt::format("event_{}", side), text = fmt::format("text_{}", side);
  event ? rows.number(number, event->number) : rows.none(number);
  event ? rows.text(text, describe(*event)) : rows.none(text);
}

void write_divergence(RowWriter& rows, const Divergence& part) {
  rows.begin();
  rows.text("kind", "divergence").text("name", part.process).number("common", part.common);
  write_side(rows, "a", part.a);
  write_side(rows, "b", part.b);
  for (const char* column :
       {"count_a", "count_b", "p50_a_ns", "p50_b_ns", "p50_ratio", "total_a_ns", "total_b_ns", "total_ratio"})
    rows.none(column);
  rows.end();
}

void write_costs(RowWriter& rows, const std::vector<CostPair>& all) {
  for (const CostPair& c : all) {
    const std::uint64_t p50_a = c.a.percentile(0.5), p50_b = c.b.percentile(0.5);
    rows.begin();
    rows.text("kind", c.kind).text("name", c.name).none("common");
    write_side(rows, "a", std::nullopt);
    write_side(rows, "b", std::nullopt);
    rows.number("count_a", c.a.count()).number("count_b", c.b.count());
    rows.number("p50_a_ns", p50_a).number("p50_b_ns", p50_b).real("p50_ratio", ratio(p50_a, p50_b));
    rows.number("total_a_ns", c.a.total()).number("total_b_ns", c.b.total());
    rows.real("total_ratio", ratio(c.a.total(), c.b.total()));
    rows.end();
  }
}

}  // namespace

void append_diff_text(fmt::memory_buffer& out, const Diff& d, std::size_t top, Colour colour) {
  Painter p(out, colour);
  append_sides(p, d);
  if (d.differing == 0) {
    p.label("events")
        .ink(Ink::kGreen, "the same")
        .put(": {} faults, system calls, signals and programs in the same order", d.compared);
    p.end();
  } else {
    p.label("events").ink(Ink::kRed, "they differ");
    p.put(": in {} process{}; {} events are the same before", d.differing, d.differing == 1 ? "" : "es", d.compared);
    p.end();
  }
  if (d.gave_up) p.put("one is more than {} events ahead of the other: not compared beyond\n", Diff::kMaxPending);
  append_divergences(p, out, d, top, colour);
  append_costs(p, "exit", exit_pairs(d), top);
  append_costs(p, "fault path", path_pairs(d), top);
  append_costs(p, "system call", syscall_pairs(d), top);
}

void append_diff_rows(RowWriter& rows, const Diff& d) {
  for (const Divergence& part : d.divergences) write_divergence(rows, part);
  write_costs(rows, exit_pairs(d));
  write_costs(rows, path_pairs(d));
  write_costs(rows, syscall_pairs(d));
}

}  // namespace faultline::vmm::inspect

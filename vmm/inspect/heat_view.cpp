#include <algorithm>
#include <cmath>

#include "vmm/inspect/heat.hpp"
#include "vmm/inspect/painter.hpp"

namespace faultline::vmm::inspect {

namespace {

constexpr std::uint64_t kColumns = 64;
constexpr std::uint64_t kMaxCells = 16 * kColumns;
// No fault, then ever more: each sign stands for twice as many faults as the one before.
constexpr std::string_view kShades = ".123456789#";

// 1 fault is 1, 2 are 2, up to 4 are 3, up to 8 are 4 and so on.
std::size_t shade(std::uint64_t faults) {
  if (faults <= 1) return faults;
  const auto log = static_cast<std::size_t>(std::ceil(std::log2(static_cast<double>(faults))));
  return std::min(1 + log, kShades.size() - 1);
}

Ink ink_of(std::size_t shade) {
  if (shade == 0) return Ink::kDim;
  return shade < 3 ? Ink::kGreen : shade < 6 ? Ink::kYellow : Ink::kRed;
}

// How many pages one sign stands for, so that the map has at most kMaxCells.
std::uint64_t pages_per_cell(std::uint64_t pages) {
  std::uint64_t each = 1;
  while ((pages + each - 1) / each > kMaxCells) each *= 2;
  return each;
}

// A run of rows without any fault, or one row with some.
void append_map(Painter& p, const AreaHeat& area) {
  const std::uint64_t each = pages_per_cell(area.page_count());
  const std::uint64_t base = area.start.raw();
  std::map<std::uint64_t, std::uint64_t> cells;  // faults by cell
  for (const auto& [page, heat] : area.pages) cells[(page - area.start) / each] += heat.faults;
  const std::uint64_t all = (area.page_count() + each - 1) / each;
  std::uint64_t next_row = 0;
  const auto skip = [&](std::uint64_t to_row) {
    if (to_row > next_row)
      p.ink(Ink::kDim, fmt::format("{:16} {} pages without a fault", "", (to_row - next_row) * kColumns * each)).end();
  };
  for (auto at = cells.begin(); at != cells.end();) {
    const std::uint64_t row = at->first / kColumns;
    skip(row);
    p.put("  {:#014x} ", (base + row * kColumns * each) << kPageShift);
    for (std::uint64_t cell = row * kColumns; cell < std::min(all, (row + 1) * kColumns); ++cell) {
      const bool hit = at != cells.end() && at->first == cell;
      const std::size_t s = hit ? shade(at->second) : 0;
      p.ink(ink_of(s), kShades.substr(s, 1));
      if (hit) ++at;
    }
    p.end();
    next_row = row + 1;
  }
  const std::uint64_t rows = (all + kColumns - 1) / kColumns;
  if (rows > next_row) {
    const std::uint64_t left = area.page_count() - std::min(area.page_count(), next_row * kColumns * each);
    p.ink(Ink::kDim, fmt::format("{:16} {} pages without a fault", "", left)).end();
  }
}

struct HotPage {
  const AreaHeat* area;
  Vpn page;
  const PageHeat* heat;
};

std::vector<HotPage> hottest(const std::vector<const AreaHeat*>& areas, std::size_t top) {
  std::vector<HotPage> all;
  for (const AreaHeat* area : areas)
    for (const auto& [page, heat] : area->pages) all.push_back({area, page, &heat});
  const auto hotter = [](const HotPage& a, const HotPage& b) { return a.heat->faults > b.heat->faults; };
  std::ranges::stable_sort(all, hotter);
  if (top != 0 && all.size() > top) all.resize(top);
  return all;
}

}  // namespace

void append_heat_text(fmt::memory_buffer& out, const Heat& heat, std::size_t top, Colour colour) {
  Painter p(out, colour);
  const auto areas = heat.areas();
  const AreaHeat* before = nullptr;
  for (const AreaHeat* area : areas) {
    if (before == nullptr || before->process != area->process || before->program != area->program) {
      if (before != nullptr) p.end();
      p.heading(fmt::format("process {}  {}", area->process, area->program));
    }
    before = area;
    const std::uint64_t each = pages_per_cell(area->page_count());
    p.put("{:#014x}-{:#014x} {} {}: {} fault{} on {} of {} pages", area->start.raw() << kPageShift,
          area->end.raw() << kPageShift, area->flags.empty() ? "----" : area->flags, area->name, area->faults,
          area->faults == 1 ? "" : "s", area->pages.size(), area->page_count());
    if (each > 1) p.put(", a sign is {} pages", each);
    p.end();
    append_map(p, *area);
  }
  if (areas.empty()) return;
  p.end().ink(Ink::kDim, "a sign a page: . no fault, 1 one, 2 two, 3 up to 4, 4 up to 8, ... # more than 256").end();
  p.end().heading(fmt::format("{:>8} {:>8} {:>8} {:>8}  {:<16} {:>6}  {:<24} {}", "faults", "writes", "major", "failed",
                              "page", "pid", "vma", "last path"));
  for (const HotPage& hot : hottest(areas, top))
    p.put("{:>8} {:>8} {:>8} {:>8}  {:<#16x} {:>6}  {:<24} {}", hot.heat->faults, hot.heat->writes, hot.heat->major,
          hot.heat->failed, Gva(hot.page).raw(), hot.area->process, hot.area->name, hot.heat->path)
        .end();
}

void append_heat_rows(RowWriter& rows, const Heat& heat) {
  for (const AreaHeat* area : heat.areas()) {
    for (const auto& [page, hot] : area->pages) {
      rows.begin();
      rows.number("process", area->process).text("program", area->program).hex("page", Gva(page).raw());
      rows.text("vma", area->name).hex("vma_start", Gva(area->start).raw()).hex("vma_end", Gva(area->end).raw());
      rows.text("vma_flags", area->flags).number("faults", hot.faults).number("writes", hot.writes);
      rows.number("major", hot.major).number("failed", hot.failed).number("first_ns", hot.first_ns);
      rows.number("last_ns", hot.last_ns).text("last_path", hot.path);
      rows.end();
    }
  }
}

}  // namespace faultline::vmm::inspect

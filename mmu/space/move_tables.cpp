// Follows move_page_tables, get_extent and try_realign_addr of Linux 6.18 (mm/mremap.c). What Linux
// does by linking a table elsewhere is done entry by entry here, because a table whose translations
// are shadowed may not hang from another entry; the tables that are left in the end are the same.
#include "mmu/space/move_tables.hpp"

#include <algorithm>
#include <vector>

#include "mmu/pgtable/editor.hpp"
#include "mmu/space/notify.hpp"

namespace faultline::mmu {

namespace {

struct Span {
  Gva from, to;
  std::uint64_t length;
};

class Mover {
 public:
  explicit Mover(TlbGather& gather) : tables_(gather.tables()), mode_(tables_.mode()), gather_(gather) {}

  // How many bytes of `span`, from its start on, were moved. Less than all: no memory for a table.
  std::uint64_t move(Span span) {
    std::uint64_t done = 0;
    while (done < span.length) {
      const Step step = move_next({span.from + done, span.to + done, span.length - done});
      if (!step.moved) break;
      done += step.bytes;
    }
    return done;
  }

  // Takes away the tables that were moved whole.
  void free_emptied() {
    for (const Emptied& table : emptied_) {
      const Gva end = table.base + level_span(table.level, mode_);
      tables_.free_tables(table.base, end, table.base, end, gather_);
    }
  }

 private:
  struct Step {
    std::uint64_t bytes;
    bool moved = true;
  };
  // The table below an entry of `level`, which spans from `base`.
  struct Emptied {
    Gva base;
    Level level;
  };

  // Linux get_extent: as far as one entry of `level` reaches at both places.
  [[nodiscard]] std::uint64_t extent(Level level, const Span& span) const {
    const std::uint64_t mask = level_span(level, mode_) - 1;
    return std::min({mask + 1 - (span.from.raw() & mask), mask + 1 - (span.to.raw() & mask), span.length});
  }

  [[nodiscard]] bool has_table(Level level, Gva va) const {
    const Walk walk = tables_.walk(va);
    const unsigned step = levels(mode_) - level;
    return walk.count > step && walk.steps[step].entry.kind(level) == PteKind::kTable;
  }

  Step move_next(const Span& span) {
    if (levels(mode_) >= 3) {
      const std::uint64_t bytes = extent(3, span);
      if (!has_table(3, span.from)) return {bytes};
      const PteSlot target = tables_.populate_to(3, span.to, gather_.log());
      if (!target.valid()) return {bytes, false};
      // Of PAE the processor has these entries in registers.
      const bool whole = bytes == level_span(3, mode_) && !is_pdpte(3, mode_) && target.load().none();
      if (whole) return {bytes, move_directory(span)};
    }
    return move_table({span.from, span.to, extent(2, span)});
  }

  // Linux move_normal_pud: every table below an entry of level 3, the empty ones too.
  bool move_directory(const Span& span) {
    const std::uint64_t step = level_span(2, mode_), bytes = level_span(3, mode_);
    if (!tables_.populate_to(2, span.to, gather_.log()).valid()) return false;
    for (std::uint64_t at = 0; at < bytes; at += step)
      if (has_table(2, span.from + at) && !tables_.populate(span.to + at, gather_.log()).valid()) return false;
    for (std::uint64_t at = 0; at < bytes; at += step)
      if (has_table(2, span.from + at)) move_entries({span.from + at, span.to + at, step});
    emptied_.push_back({span.from, 3});
    return true;
  }

  // Linux move_ptes, or move_normal_pmd where there is no table at the new place and all of one goes.
  Step move_table(const Span& span) {
    if (!has_table(2, span.from)) return {span.length};
    const PteSlot target = tables_.populate_to(2, span.to, gather_.log());
    if (!target.valid()) return {span.length, false};
    const bool whole = span.length == level_span(2, mode_) && target.load().none();
    if (!tables_.populate(span.to, gather_.log()).valid()) return {span.length, false};
    move_entries(span);
    if (whole) emptied_.push_back({span.from, 2});
    return {span.length};
  }

  void move_entries(const Span& span) {
    PtEditor editor(gather_);
    const Gfn from = tables_.find(span.from).address().page(), to = tables_.find(span.to).address().page();
    for (std::uint64_t offset = 0; offset < span.length; offset += kPageSize) {
      const PteSlot slot = PteSlot::of(tables_.memory(), from, span.from + offset, 1, mode_);
      if (slot.load().none()) continue;
      const Pte entry = editor.clear(slot, span.from + offset);
      const PteSlot target = PteSlot::of(tables_.memory(), to, span.to + offset, 1, mode_);
      FL_CHECK(editor.install(target, span.to + offset, entry));
    }
  }

  PageTables& tables_;
  PagingMode mode_;
  TlbGather& gather_;
  std::vector<Emptied> emptied_;
};

// Linux can_align_down: a VMA begins at `at`, and nothing is mapped between the table's start and it.
bool can_align_down(AddressSpace& mm, Gva at, std::uint64_t in_table) {
  const Vma* const vma = mm.vmas.lookup(at);
  if (vma == nullptr || vma->start != at) return false;
  const Vma* const below = mm.vmas.previous(*vma);
  return below == nullptr || below->end.raw() <= at.raw() - in_table;
}

// Linux try_realign_addr: what reaches a table's end may begin at its start, so that all of it goes.
Span realigned(AddressSpace& mm, const Span& span) {
  const std::uint64_t table = level_span(2, mm.mode());
  const std::uint64_t in_table = span.from.raw() & (table - 1);
  if (in_table == 0 || in_table != (span.to.raw() & (table - 1)) || span.length < table - in_table) return span;
  if (!can_align_down(mm, span.from, in_table) || !can_align_down(mm, span.to, in_table)) return span;
  return {Gva(span.from.raw() - in_table), Gva(span.to.raw() - in_table), span.length + in_table};
}

}  // namespace

bool move_page_tables(AddressSpace& mm, Gva from, Gva to, std::uint64_t length) {
  if (length == 0) return true;
  const Span span = realigned(mm, {from, to, length});
  const NotifierRange notify(mm, NotifierEvent::kUnmap, span.from, span.from + span.length);
  TlbGather gather(mm.tables());
  Mover mover(gather);
  const std::uint64_t moved = mover.move(span);
  const bool done = moved == span.length;
  if (done) {
    mover.free_emptied();
  } else {
    // The way back needs no tables: they are all there still.
    FL_CHECK(Mover(gather).move({span.to, span.from, moved}) == moved);
  }
  gather.flush();
  return done;
}

}  // namespace faultline::mmu

#include "mmu/pgtable/gather.hpp"

#include <algorithm>

namespace faultline::mmu {

namespace {
// Frames held back before a flush is forced: bounds memory on huge unmaps (Linux batches too).
constexpr std::size_t kMaxRetiredFrames = 8192;
}  // namespace

TlbGather TlbGather::for_exit(PageTables& tables) {
  tables.drop_translations();
  return TlbGather(tables);
}

void TlbGather::widen(Gva start, std::uint64_t bytes) {
  start_ = std::min(start_, start);
  end_ = std::max(end_, start + bytes);
}

void TlbGather::invalidate(Gva va, Gfn frame, Level level) {
  if (at_exit()) return;
  widen(va, level_span(level, tables_.mode()));
  ++pages_;
  const std::uint64_t count = level_span(level, tables_.mode()) >> kPageShift;
  if (!stale_.empty()) {
    FrameRange& last = stale_.back();
    if (last.first + last.count == frame) {
      last.count += count;
      return;
    }
    if (last.first <= frame && frame < last.first + last.count) return;  // the zero page, again
  }
  stale_.push_back({frame, count});
}

void TlbGather::retire_frame(Gfn frame) {
  if (at_exit()) return tables_.frames().put(frame);
  frames_.push_back(frame);
  if (frames_.size() >= kMaxRetiredFrames) flush();
}

void TlbGather::retire_table(Gva va, Level level, Gfn table, Gpa parent) {
  if (at_exit()) return tables_.release_table(table, parent);
  widen(va, level_span(level, tables_.mode()));
  retired_tables_.push_back({table, parent});
}

TlbAction TlbGather::flush() {
  TlbAction action = TlbAction::kNone;
  if (pages_ != 0 || !retired_tables_.empty()) {
    action = tables_.sink().flush({.root = Gpa(tables_.root()),
                                   .start = start_,
                                   .end = end_,
                                   .frames = stale_,
                                   .pages = pages_,
                                   .tables_freed = !retired_tables_.empty()});
  }
  for (const Gfn frame : frames_) tables_.frames().put(frame);
  for (const RetiredTable& t : retired_tables_) tables_.release_table(t.table, t.parent);
  if (action == TlbAction::kFullDrop) {
    tables_.free_held();
  } else if (tables_.held_.size() > PageTables::kMaxHeld) {
    action = tables_.sink().drop_all();
    tables_.free_held();
  }
  frames_.clear();
  retired_tables_.clear();
  stale_.clear();
  pages_ = 0;
  start_ = Gva(~0ULL);
  end_ = Gva(0);
  action_ = std::max(action_, action);
  return action;
}

}  // namespace faultline::mmu

#include "mmu/pgtable/page_tables.hpp"

#include <algorithm>
#include <cstring>

#include "mmu/pgtable/editor.hpp"
#include "mmu/pgtable/gather.hpp"
#include "mmu/pgtable/used_entries.hpp"

namespace faultline::mmu {

namespace {
// The bytes of the top-level table that are the kernel's.
struct KernelPart {
  std::size_t first, count;
};
constexpr KernelPart kernel_part(PagingMode mode) {
  const unsigned all = entries_per_table(levels(mode), mode), users = user_entries(mode);
  return {std::size_t{users} * entry_bytes(mode), std::size_t{all - users} * entry_bytes(mode)};
}

// A table that was held is an allocation like any other to whoever wants one to fail: on all sinks alike.
bool fails(FrameAllocator& frames) {
  const std::uint64_t nth = frames.failing_nth();
  if (nth != 0) frames.fail_nth(nth - 1);
  return nth == 1;
}
}  // namespace

std::uint64_t table_flags(Gva va, Level level, PagingMode mode) {
  if (is_pdpte(level, mode)) return Pte::kPresent;
  return va >= task_size_max(mode) ? Pte::kKernelTableFlags : Pte::kTableFlags;
}

std::unique_ptr<PageTables> PageTables::create(FrameAllocator& frames, TlbSink& sink, PagingMode mode,
                                               Gfn kernel_half) {
  const std::optional<Gfn> root = frames.allocate(FrameKind::kTable, Zeroing::kNeeded);
  if (!root) return nullptr;
  if (kernel_half != Gfn(0)) {
    const PhysMemory& memory = frames.memory();
    const KernelPart part = kernel_part(mode);
    std::memcpy(memory.page(*root).data() + part.first, memory.page(kernel_half).data() + part.first, part.count);
  }
  return std::unique_ptr<PageTables>(new PageTables(frames, sink, mode, *root));
}

PageTables::PageTables(FrameAllocator& frames, TlbSink& sink, PagingMode mode, Gfn root)
    : frames_(frames), sink_(sink), mode_(mode), root_(root) {}

PageTables::~PageTables() {
  FL_CHECK(tables_ == 0);
  // The root and what is held may be known to the sink's shadow: nothing reuses them before it
  // forgot them.
  if (!dropped_) drop_translations();
  give_back(root_);
}

void PageTables::drop_translations() {
  sink_.end(Gpa(root_));
  retires_ = sink_.retires_tables();
  free_held();
  dropped_ = true;
}

void PageTables::give_back(Gfn table) { retires_ ? frames_.retire(table) : frames_.put(table); }

std::optional<Gfn> PageTables::table_for(Gpa parent_slot) {
  if (const auto it = held_.find(parent_slot); it != held_.end()) {
    if (fails(frames_)) return std::nullopt;
    const Gfn table = it->second;
    held_.erase(it);
    return table;
  }
  const bool is_to_fail = frames_.failing_nth() == 1;
  std::optional<Gfn> table = frames_.allocate(FrameKind::kTable, Zeroing::kNeeded);
  if (!table && !is_to_fail && !held_.empty()) {
    sink_.drop_all();
    free_held();
    table = frames_.allocate(FrameKind::kTable, Zeroing::kNeeded);
  }
  return table;
}

void PageTables::release_table(Gfn table, Gpa parent_slot) {
  --tables_;
  if (dropped_ || sink_.tables_reusable_after_flush()) {
    give_back(table);
  } else {
    held_.emplace(parent_slot, table);
  }
}

void PageTables::free_held() {
  for (const auto& [slot, table] : held_) give_back(table);
  held_.clear();
}

PteSlot PageTables::populate_to(Level wanted, Gva va, EditLog* log) {
  Gfn table = root_;
  for (Level level = levels(mode_); level > wanted; --level) {
    const PteSlot slot = slot_of(table, va, level);
    Pte entry = slot.load();
    if (entry.none()) {
      const std::optional<Gfn> fresh = table_for(slot.address());
      if (!fresh) return {};
      const Gva base(va.raw() & ~(level_span(level, mode_) - 1));
      if (log != nullptr) log->add_allocated(*fresh);
      const Pte linked = Pte::make(*fresh, table_flags(va, level, mode_));
      if (PtEditor::link_table(*this, slot, base, level, linked, log)) {
        ++tables_;
        entry = linked;
        if (is_pdpte(level, mode_)) reload_pdptes(base);
      } else {  // somebody else was faster
        frames_.put(*fresh);
        entry = slot.load();
      }
    }
    FL_CHECK(entry.kind(level) == PteKind::kTable);
    table = entry.frame(level);
  }
  return slot_of(table, va, wanted);
}

void PageTables::reload_pdptes(Gva base) {
  sink_.flush({.root = Gpa(root_),
               .start = base,
               .end = base + level_span(3, mode_),
               .frames = {},
               .pages = 0,
               .tables_freed = true});
}

PteSlot PageTables::find(Gva va) const {
  const LeafSlot leaf = find_leaf(memory(), root_, mode_, va);
  return leaf.level == 1 ? leaf.slot : PteSlot();
}

void PageTables::free_tables(Gva start, Gva end, Gva floor, Gva ceiling, TlbGather& gather) {
  const Level top = levels(mode_);
  const std::uint64_t span = level_span(top, mode_);
  const Gva half(user_entries(mode_) * span);
  if (ceiling >= task_size_max(mode_)) ceiling = half;
  for (std::uint64_t at = start.raw() & ~(span - 1); (at = next_used(root_, top, at, end.raw())) < end.raw();
       at += span)
    free_subtree(slot_of(root_, Gva(at), top), top, Gva(at), {start, end, floor, ceiling}, gather);
}

bool PageTables::free_empty_table(Gva va, TlbGather& gather) {
  Gfn table = root_;
  PteSlot parent;
  for (Level level = levels(mode_); level > 1; --level) {
    parent = slot_of(table, va, level);
    const Pte entry = parent.load();
    if (entry.kind(level) != PteKind::kTable) return false;
    table = entry.frame(level);
  }
  for (unsigned i = 0; i < entries_per_table(1, mode_); ++i)
    if (!PteSlot(memory(), table, i, mode_).load().none()) return false;
  PtEditor(gather).unlink_table(parent, Gva(va.raw() & ~(level_span(2, mode_) - 1)), 2);
  return true;
}

// The first address from `at` on, where an entry of `table` begins, whose entry is not empty; `end` or more: there is
// none. Most entries are empty, and there are thousands when a process ends.
std::uint64_t PageTables::next_used(Gfn table, Level level, std::uint64_t at, std::uint64_t end) const {
  if (at >= end) return end;
  const std::uint64_t span = level_span(level, mode_);
  const unsigned first = table_index(Gva(at), level, mode_);
  const std::uint64_t wanted = (end - at - 1) / span + 1, here = entries_per_table(level, mode_) - first;
  const auto count = static_cast<unsigned>(std::min(wanted, here));
  return at + (next_used_entry(memory(), table, first, first + count, mode_) - first) * span;
}

// Frees the table below `parent` (an entry of `level` that spans from `base`), children first,
// where nothing but the unmapped range can be in it.
void PageTables::free_subtree(PteSlot parent, Level level, Gva base, const FreeRange& range, TlbGather& gather) {
  const Pte entry = parent.load();
  if (entry.kind(level) != PteKind::kTable) return;
  const Gfn table = entry.frame(level);
  if (level > 2) {
    const std::uint64_t step = level_span(level - 1, mode_);
    const std::uint64_t from = std::max(base.raw(), range.start.raw() & ~(step - 1));
    const std::uint64_t to = std::min(base.raw() + level_span(level, mode_), range.end.raw());
    for (std::uint64_t at = from; (at = next_used(table, level - 1, at, to)) < to; at += step)
      free_subtree(slot_of(table, Gva(at), level - 1), level - 1, Gva(at), range, gather);
  }
  if (base < range.floor || base + level_span(level, mode_) > range.ceiling) return;
  PtEditor(gather).unlink_table(parent, base, level);
}

}  // namespace faultline::mmu

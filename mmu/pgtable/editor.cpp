#include "mmu/pgtable/editor.hpp"

namespace faultline::mmu {

namespace {
constexpr std::uint64_t kHardwareBits = Pte::kAccessed | Pte::kDirty;

// True when every access that `before` allows, `after` allows too, for the same frame.
bool only_widens(Pte before, Pte after) {
  if (!before.present()) return true;  // absence is never cached
  if (!after.present() || before.frame() != after.frame()) return false;
  if (before.writable() && !after.writable()) return false;
  if (before.user() && !after.user()) return false;
  return before.no_execute() || !after.no_execute();
}
}  // namespace

void PtEditor::log(const PageTables* tables, EditLog* log, PteSlot slot, Gva va, Level level, Pte before, Pte after) {
  if (log != nullptr) log->add({va, level, slot.address(), before, after});
  EditObserver* observer = tables != nullptr ? tables->edit_observer() : nullptr;
  if (observer != nullptr) observer->edited(tables->root(), {va, level, slot.address(), before, after});
}

bool PtEditor::install(PteSlot slot, Gva va, Pte entry, Level level) {
  if (!slot.store_if_none(entry)) return false;
  log(slot, va, level, Pte(), entry);
  return true;
}

bool PtEditor::link_table(PteSlot slot, Gva va, Level level, Pte entry, EditLog* edit_log) {
  Pte expected;
  if (!slot.compare_exchange(expected, entry)) return false;
  log(nullptr, edit_log, slot, va, level, Pte(), entry);
  return true;
}

bool PtEditor::link_table(const PageTables& tables, PteSlot slot, Gva va, Level level, Pte entry, EditLog* edit_log) {
  Pte expected;
  if (!slot.compare_exchange(expected, entry)) return false;
  log(&tables, edit_log, slot, va, level, Pte(), entry);
  return true;
}

Pte PtEditor::clear(PteSlot slot, Gva va, Level level) {
  const Pte before = slot.exchange(Pte());
  if (before.present()) gather_.invalidate(va, before.frame(level), level);
  log(slot, va, level, before, Pte());
  return before;
}

bool PtEditor::widen(PteSlot slot, Gva va, Pte expected, Pte entry, Level level) {
  Pte current = expected;
  for (;;) {
    // A and D that the CPU set meanwhile are kept.
    const Pte desired = entry.with(current.raw() & kHardwareBits);
    Pte seen = current;
    if (slot.compare_exchange(seen, desired)) {
      log(slot, va, level, current, desired);
      return true;
    }
    if (seen.without(kHardwareBits) != expected.without(kHardwareBits)) return false;
    current = seen;
  }
}

void PtEditor::protect(PteSlot slot, Gva va, std::uint64_t protection_bits, Level level) {
  Pte current = slot.load();
  Pte desired;
  do {
    desired = current.with_protection(protection_bits);
  } while (!slot.compare_exchange(current, desired));
  if (desired == current) return;
  if (!only_widens(current, desired)) gather_.invalidate(va, current.frame(level), level);
  log(slot, va, level, current, desired);
}

Pte PtEditor::clear_flags(PteSlot slot, Gva va, std::uint64_t mask, Level level) {
  Pte current = slot.load();
  while (!slot.compare_exchange(current, current.without(mask))) {
  }
  if ((current.raw() & mask) != 0 && current.present()) gather_.invalidate(va, current.frame(level), level);
  log(slot, va, level, current, current.without(mask));
  return current;
}

void PtEditor::write_protect(PteSlot slot, Gva va, Pte before) {
  slot.clear_bits(Pte::kWrite);
  if (before.present()) gather_.invalidate(va, before.frame(), 1);
  log(slot, va, 1, before, before.without(Pte::kWrite));
}

void PtEditor::replace_leaf(PteSlot slot, Gva va, Pte entry, Level level) {
  const Pte before = slot.exchange(Pte());
  if (before.present()) gather_.invalidate(va, before.frame(level), level);
  gather_.flush();
  Pte none;
  FL_CHECK(slot.compare_exchange(none, entry));
  log(slot, va, level, before, entry);
}

void PtEditor::unlink_table(PteSlot slot, Gva va, Level level) {
  const Pte before = slot.exchange(Pte());
  log(slot, va, level, before, Pte());
  gather_.retire_table(va, level, before.frame(level), slot.address());
}

}  // namespace faultline::mmu

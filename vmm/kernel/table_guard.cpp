#include "vmm/kernel/table_guard.hpp"

#include <algorithm>
#include <cstring>

#include "mmu/arch/pte.hpp"

namespace faultline::vmm::kernel {

namespace {

using mmu::Pte;

constexpr std::uint64_t kHardwareBits = Pte::kAccessed | Pte::kDirty;

std::uint64_t load(const mmu::PhysMemory& memory, Gpa slot) {
  std::uint64_t value = 0;
  std::memcpy(&value, memory.at(slot), sizeof value);
  return value;
}

void store(const mmu::PhysMemory& memory, Gpa slot, std::uint64_t value) {
  std::memcpy(memory.at(slot), &value, sizeof value);
}

// SDM vol. 3A, "Accessed and Dirty Flags": of present entries alone.
bool by_the_cpu(std::uint64_t before, std::uint64_t after) {
  const std::uint64_t change = before ^ after;
  return change == 0 || ((before & Pte::kPresent) != 0 && (change & ~kHardwareBits) == 0);
}

}  // namespace

bool TableGuard::is_table(Gfn frame) const {
  return frames_.memory().contains(frame) && frames_.at(frame).kind == mmu::FrameKind::kTable;
}

bool TableGuard::corrupt(Gpa slot, std::uint64_t bits) {
  if (!is_table(slot.page())) return false;
  corruptions_[slot].bits |= bits;
  return true;
}

// Tables of the monitor area are not the allocator's, and nobody trusts them.
void TableGuard::find_tables(Gfn table, mmu::Level level, std::vector<Gfn>& seen) {
  if (!is_table(table) || std::ranges::find(seen, table) != seen.end()) return;
  seen.push_back(table);
  auto& before = tables_[table];
  if (before == nullptr) before = std::make_unique<Entries>();
  std::memcpy(before->data(), frames_.memory().page(table).data(), kPageSize);
  if (level == 1) return;
  for (const std::uint64_t raw : *before) {
    const Pte entry(raw);
    if (entry.kind(level) == mmu::PteKind::kTable) find_tables(entry.frame(level), level - 1, seen);
  }
}

void TableGuard::hand_over(std::span<const Gfn> roots) {
  std::erase_if(tables_, [this](const auto& table) { return !is_table(table.first); });
  std::erase_if(corruptions_, [this](const auto& at) { return !is_table(at.first.page()); });
  std::vector<Gfn> seen;
  for (const Gfn root : roots) find_tables(root, mmu::levels(mode_), seen);
  for (auto& [table, before] : tables_) {
    // Kept in reserve: in no tree now, and taken into use again without a look at it.
    if (std::ranges::find(seen, table) == seen.end())
      std::memcpy(before->data(), frames_.memory().page(table).data(), kPageSize);
  }
  show_corruptions();
  for (const auto& [slot, corruption] : corruptions_) {
    if (const auto at = tables_.find(slot.page()); at != tables_.end())
      (*at->second)[slot.page_offset() / sizeof(std::uint64_t)] |= corruption.bits;
  }
}

std::optional<Gpa> TableGuard::changed_entry(Gfn table, const Entries& before) const {
  const std::byte* now = frames_.memory().page(table).data();
  if (std::memcmp(now, before.data(), kPageSize) == 0) return std::nullopt;
  for (unsigned i = 0; i < mmu::kEntriesPerTable; ++i) {
    const Gpa slot = Gpa(table) + i * sizeof(std::uint64_t);
    if (!by_the_cpu(before[i], load(frames_.memory(), slot))) return slot;
  }
  return std::nullopt;
}

std::optional<Gpa> TableGuard::take_back() {
  std::optional<Gpa> changed;
  for (const auto& [table, before] : tables_) {
    changed = changed_entry(table, *before);
    if (changed) break;
  }
  if (changed) {
    for (const auto& [table, before] : tables_)
      std::memcpy(frames_.memory().page(table).data(), before->data(), kPageSize);
  }
  hide_corruptions();
  return changed;
}

void TableGuard::show_corruptions() {
  for (auto& [slot, corruption] : corruptions_) {
    corruption.before = load(frames_.memory(), slot);
    store(frames_.memory(), slot, corruption.before | corruption.bits);
  }
}

// The CPU may have used the entry meanwhile.
void TableGuard::hide_corruptions() {
  for (const auto& [slot, corruption] : corruptions_) {
    const std::uint64_t used = load(frames_.memory(), slot) & kHardwareBits;
    const bool present = (corruption.before & Pte::kPresent) != 0;
    store(frames_.memory(), slot, corruption.before | (present ? used & ~corruption.bits : 0));
  }
}

}  // namespace faultline::vmm::kernel

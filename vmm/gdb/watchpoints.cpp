#include "vmm/gdb/watchpoints.hpp"

#include <algorithm>
#include <map>

#include "mmu/pgtable/editor.hpp"
#include "vmm/gdb/guest_memory.hpp"

namespace faultline::vmm::gdb {
namespace {

using mmu::Pte;

bool overlap(Gva a, std::uint64_t a_bytes, Gva b, std::uint64_t b_bytes) {
  return a.raw() < b.raw() + b_bytes && b.raw() < a.raw() + a_bytes;
}

// The rights to take away, by page.
std::uint64_t right_of(WatchKind kind) { return kind == WatchKind::kWrite ? Pte::kWrite : Pte::kUser; }

}  // namespace

std::string_view name(WatchKind kind) {
  switch (kind) {
    case WatchKind::kWrite: return "watch";
    case WatchKind::kRead: return "rwatch";
    case WatchKind::kAccess: return "awatch";
  }
  return "watch";
}

std::vector<std::byte> Watchpoints::read(const mmu::AddressSpace& mm, const Watchpoint& watchpoint) {
  std::vector<std::byte> bytes(watchpoint.bytes);
  bytes.resize(peek_memory(mm, bytes, watchpoint.address));
  return bytes;
}

bool Watchpoints::add(const mmu::AddressSpace& mm, const Watchpoint& watchpoint) {
  if (all_.size() >= kMost || watchpoint.bytes == 0 || watchpoint.bytes > kMostBytes) return false;
  const auto end = watchpoint.address.checked_add(watchpoint.bytes);
  if (!end || *end > mm.task_size()) return false;
  all_.push_back({watchpoint, read(mm, watchpoint)});
  return true;
}

void Watchpoints::remove(const Watchpoint& watchpoint) {
  const auto it = std::ranges::find(all_, watchpoint, &Entry::what);
  if (it != all_.end()) all_.erase(it);
}

void Watchpoints::guard(mmu::AddressSpace& mm) {
  guards_.clear();
  if (all_.empty()) return;
  std::map<Gva, std::uint64_t> pages;
  for (const Entry& entry : all_) {
    const Gva end = entry.what.address + entry.what.bytes;
    for (Gva page = entry.what.address.page_base(); page < end; page = page + kPageSize)
      pages[page] |= right_of(entry.what.kind);
  }
  mmu::TlbGather gather(mm.tables());
  mmu::PtEditor editor(gather);
  for (const auto& [page, rights] : pages) {
    const mmu::LeafSlot leaf = mmu::find_leaf(mm.frames().memory(), mm.tables().root(), mm.mode(), page);
    if (!leaf.slot.valid()) continue;
    const Pte entry = leaf.slot.load();
    const std::uint64_t taken = entry.raw() & rights;
    if (entry.kind(leaf.level) != mmu::PteKind::kLeaf || taken == 0) continue;
    editor.clear_flags(leaf.slot, page, taken, leaf.level);
    guards_.push_back({page, taken});
  }
  gather.flush();
}

void Watchpoints::release(mmu::AddressSpace& mm) {
  if (guards_.empty()) return;
  mmu::TlbGather gather(mm.tables());
  mmu::PtEditor editor(gather);
  for (const Guard& guard : guards_) {
    const mmu::LeafSlot leaf = mmu::find_leaf(mm.frames().memory(), mm.tables().root(), mm.mode(), guard.page);
    const Pte entry = leaf.slot.load();
    editor.widen(leaf.slot, guard.page, entry, entry.with(guard.taken), leaf.level);
  }
}

bool Watchpoints::guarded(Gva address, bool write) const {
  const auto it = std::ranges::find(guards_, address.page_base(), &Guard::page);
  if (it == guards_.end()) return false;
  return (it->taken & Pte::kUser) != 0 || (write && (it->taken & Pte::kWrite) != 0);
}

const Watchpoint* Watchpoints::accessed_by(const decode::Instruction& instruction) const {
  const auto touches = [&instruction](const Watchpoint& watched) {
    return std::ranges::any_of(instruction.operands(), [&watched](const decode::MemOperand& operand) {
      const bool wanted = watched.kind == WatchKind::kRead
                              ? decode::reads(operand.access)
                              : decode::reads(operand.access) || decode::writes(operand.access);
      return wanted && operand.address_known && overlap(operand.address, operand.width, watched.address, watched.bytes);
    });
  };
  for (const Entry& entry : all_)
    if (entry.what.kind != WatchKind::kWrite && touches(entry.what)) return &entry.what;
  return nullptr;
}

const Watchpoint* Watchpoints::changed(const mmu::AddressSpace& mm) {
  const Watchpoint* found = nullptr;
  for (Entry& entry : all_) {
    std::vector<std::byte> now = read(mm, entry.what);
    if (now == entry.bytes) continue;
    entry.bytes = std::move(now);
    if (found == nullptr && entry.what.kind != WatchKind::kRead) found = &entry.what;
  }
  return found;
}

void Watchpoints::look_again(const mmu::AddressSpace& mm) {
  for (Entry& entry : all_) entry.bytes = read(mm, entry.what);
}

}  // namespace faultline::vmm::gdb

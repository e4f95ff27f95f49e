#include "mmu/pgtable/walk.hpp"

#include "mmu/pgtable/walk_with.hpp"

namespace faultline::mmu {

std::uint64_t reserved_bits(Pte entry, Level level, const PagingRules& rules) {
  std::uint64_t reserved = Pte::kAddressMask & ~((std::uint64_t{1} << rules.phys_bits) - 1);
  if (!rules.nxe) reserved |= Pte::kNoExecute;
  if (level >= 4) {
    if (rules.top_global_reserved) reserved |= Pte::kGlobal;
    return reserved | Pte::kPageSizeBit;  // no 512 GiB pages
  }
  if (level == 3 && !rules.huge_1g) return reserved | Pte::kPageSizeBit;
  if (level > 1 && entry.has(Pte::kPageSizeBit))
    reserved |= (level_span(level) - 1) & Pte::kAddressMask & ~Pte::kPatHuge;
  return reserved;
}

Walk walk(const PhysMemory& memory, Gfn root, PagingMode mode, Gva va, const PagingRules& rules) {
  const auto load = [&memory](Gpa at) -> std::optional<Pte> {
    if (!memory.contains(at.page())) return std::nullopt;
    return PteSlot(memory, at.page(), static_cast<unsigned>(at.page_offset() / sizeof(std::uint64_t))).load();
  };
  return walk_with(load, root, mode, va, rules);
}

LeafSlot find_leaf(const PhysMemory& memory, Gfn root, PagingMode mode, Gva va) {
  Gfn table = root;
  for (Level level = levels(mode);; --level) {
    if (!memory.contains(table)) return {};
    const PteSlot slot(memory, table, table_index(va, level));
    if (level == 1) return {slot, level};
    const Pte entry = slot.load();
    switch (entry.kind(level)) {
      case PteKind::kTable: table = entry.frame(level); break;
      case PteKind::kLeaf: return {slot, level};
      case PteKind::kNone:
      case PteKind::kProtNone:
      case PteKind::kSwap:
      case PteKind::kMigration:
      case PteKind::kMarker: return {};
    }
  }
}

Blame blame(const Walk& walk, ErrorCode error) {
  if (walk.end == WalkEnd::kNonCanonical) return {levels(walk.mode), "canonical"};
  if (walk.count == 0) return {};
  if (walk.end == WalkEnd::kNotPresent) return {walk.last().level, "P"};
  if (walk.end == WalkEnd::kReservedBit) return {walk.last().level, "RSVD"};
  for (unsigned i = 0; i < walk.count; ++i) {
    const WalkStep& s = walk.steps[i];
    if (error.user() && !s.entry.user()) return {s.level, "U"};
    if (error.write() && !s.entry.writable()) return {s.level, "W"};
    if (error.fetch() && s.entry.no_execute()) return {s.level, "NX"};
  }
  return {};
}

}  // namespace faultline::mmu

#include "mmu/pgtable/walk.hpp"

#include "mmu/pgtable/walk_with.hpp"

namespace faultline::mmu {

namespace {

constexpr std::uint64_t bit_range(unsigned high, unsigned low) { return (~0ULL >> (63 - high)) & ~0ULL << low; }

// SDM vol. 3A, "32-Bit Paging": only in entries that map pages of 4 MiB. With PSE-36 bits 20:13
// are address bits 39:32, of which MAXPHYADDR bits exist.
std::uint64_t reserved_of_two_levels(Pte entry, Level level, const PagingRules& rules) {
  if (level == 1 || !rules.pse || !entry.has(Pte::kPageSizeBit)) return 0;
  if (!rules.pse36) return bit_range(21, 13);
  const unsigned address_bits = rules.phys_bits < 40 ? rules.phys_bits : 40;
  return bit_range(21, 21) | (bit_range(20, 13) & ~((std::uint64_t{1} << (address_bits - 32 + 13)) - 1));
}

// SDM vol. 3A, "PAE Paging": what long mode ignores above the address is reserved.
std::uint64_t reserved_of_pae(Pte entry, Level level, const PagingRules& rules) {
  std::uint64_t reserved = bit_range(62, rules.phys_bits);
  if (level == 3) return reserved | Pte::kNoExecute | bit_range(2, 1) | bit_range(8, 5);
  if (!rules.nxe) reserved |= Pte::kNoExecute;
  if (level == 2 && entry.has(Pte::kPageSizeBit)) reserved |= bit_range(20, 13);
  return reserved;
}

}  // namespace

std::uint64_t reserved_bits(Pte entry, Level level, const PagingRules& rules, PagingMode mode) {
  if (mode == PagingMode::kTwoLevel) return reserved_of_two_levels(entry, level, rules);
  if (mode == PagingMode::kPae) return reserved_of_pae(entry, level, rules);
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
  const auto load = [&memory, mode](Gpa at) -> std::optional<Pte> {
    if (!memory.contains(at.page())) return std::nullopt;
    return PteSlot(memory, at.page(), static_cast<unsigned>(at.page_offset() / entry_bytes(mode)), mode).load();
  };
  return walk_with(load, root, mode, va, rules);
}

LeafSlot find_leaf(const PhysMemory& memory, Gfn root, PagingMode mode, Gva va) {
  Gfn table = root;
  for (Level level = levels(mode);; --level) {
    if (!memory.contains(table)) return {};
    const PteSlot slot = PteSlot::of(memory, table, va, level, mode);
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

#include "mmu/arch/pte.hpp"

#include <fmt/format.h>

#include "mmu/arch/swap_entry.hpp"

namespace faultline::mmu {

std::string Pte::flag_names(Level level) const {
  struct Name {
    std::uint64_t bit;
    const char* text;
  };
  static constexpr Name kNames[] = {
      {kPresent, "P"},   {kWrite, "W"}, {kUser, "U"},          {kPwt, "PWT"},        {kPcd, "PCD"},
      {kAccessed, "A"},  {kDirty, "D"}, {kSpecial, "special"}, {kUffdWp, "uffd-wp"}, {kSoftDirty, "soft-dirty"},
      {kNoExecute, "NX"}};
  std::string s;
  const auto add = [&s](const char* text) {
    if (!s.empty()) s += ' ';
    s += text;
  };
  for (const Name& n : kNames)
    if (has(n.bit)) add(n.text);
  if (has(kPageSizeBit)) add(level == 1 ? "PAT" : "PS");
  if (has(kGlobal)) add(present() ? "G" : "PROTNONE");
  return s;
}

std::string Pte::describe(Level level) const {
  switch (kind(level)) {
    case PteKind::kNone: return "none";
    case PteKind::kTable: return fmt::format("{:#018x} [{}] table {:#x}", bits_, flag_names(level), frame(level).raw());
    case PteKind::kLeaf:
    case PteKind::kProtNone:
      return fmt::format("{:#018x} [{}] frame {:#x}", bits_, flag_names(level), frame(level).raw());
    case PteKind::kSwap:
    case PteKind::kMigration:
    case PteKind::kMarker: {
      const SwapEntry entry(*this);
      const char* what = entry.marker() ? "marker" : entry.migration() ? "migration" : "swap";
      return fmt::format("{:#018x} not present, {} type {} offset {:#x}", bits_, what, entry.type(), entry.offset());
    }
  }
  return {};
}

}  // namespace faultline::mmu

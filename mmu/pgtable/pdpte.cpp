#include "mmu/pgtable/pdpte.hpp"

namespace faultline::mmu {

std::optional<PdpteRegisters> load_pdptes(const PhysMemory& memory, Gfn root, const PagingRules& rules) {
  PdpteRegisters loaded{};
  for (unsigned i = 0; i < loaded.size(); ++i) {
    const Pte entry = PteSlot(memory, root, i, PagingMode::kPae).load();
    if (entry.present() && (entry.raw() & reserved_bits(entry, 3, rules, PagingMode::kPae)) != 0) return std::nullopt;
    loaded[i] = entry.raw();
  }
  return loaded;
}

}  // namespace faultline::mmu

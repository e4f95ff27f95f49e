#include "vmm/conform/section_parts.hpp"

namespace faultline::vmm::conform {

Dimension flag(std::string_view name, std::optional<unsigned> usual) { return {name, {"0", "1"}, usual}; }

Dimension list(std::string_view name, std::vector<std::string> values) {
  return {name, std::move(values), std::nullopt};
}

Dimension numbers(std::string_view name, unsigned first, unsigned last) {
  Dimension d{name, {}, std::nullopt};
  for (unsigned i = first; i <= last; ++i) d.values.push_back(std::to_string(i));
  return d;
}

Dimension all_forms() {
  Dimension d{"instruction", {}, std::nullopt};
  for (const Form& f : forms().first(kFirstForms)) d.values.emplace_back(f.name);
  return d;
}

Dimension plain_access() { return list("access", {"read", "write", "fetch"}); }
Dimension who() { return list("level", {"supervisor", "user"}); }

void open_paths(Case& c, unsigned leaf_a, unsigned leaf_b) {
  const model::Paging paging = c.controls.paging;
  c.leaf_a = leaf_a;
  c.leaf_b = leaf_b;
  for (unsigned level = 1; level <= c.root_level(); ++level) {
    // A PDPTE of PAE paging has no rights, and their bits are reserved.
    const std::uint64_t flags = paging == model::Paging::kPae && level == 3 ? kP : kOpen;
    const std::uint64_t ps_a = level == leaf_a && level > 1 ? kPs : 0;
    const std::uint64_t ps_b = level == leaf_b && level > 1 ? kPs : 0;
    c.a[level] = level >= leaf_a ? entry_a(level, leaf_a, flags | ps_a, paging) : 0;
    c.b[level] = level >= leaf_b ? entry_b(level, leaf_b, flags | ps_b, paging) : 0;
  }
}

void place_table(Case& c, Storage storage, unsigned level) {
  c.storage = storage;
  c.stored_level = level;
  const std::uint64_t flags = c.a[level + 1] & kPageMask;
  c.a[level + 1] = c.slot_a(level).page_base().raw() | flags;
}

void set_flags(std::uint64_t& entry, std::uint64_t mask, std::uint64_t flags) { entry = (entry & ~mask) | flags; }

std::uint64_t reserved_bit(const model::Cpu& cpu) { return cpu.physical_bits < 52 ? 1ULL << 51 : 0; }

Built illegal(std::string_view reason) { return {std::nullopt, reason}; }
Built legal(Case c) { return {std::move(c), ""}; }

}  // namespace faultline::vmm::conform

// Sections about the bits of entries.
#include "vmm/conform/section_parts.hpp"
#include "vmm/conform/sections.hpp"

namespace faultline::vmm::conform {

using model::Paging;

Section leaf_section(const model::Cpu& cpu) {
  Section s{1, "leaf", "every flag of a leaf of every size, under every control that bears on it", {}, {}};
  s.dimensions = {numbers("leaf", 1, 3),
                  flag("P"),
                  flag("W"),
                  flag("U"),
                  flag("A"),
                  flag("D"),
                  flag("NX"),
                  flag("RSVD"),
                  plain_access(),
                  who(),
                  flag("EFER.NXE"),
                  flag("CR0.WP"),
                  flag("CR4.SMEP"),
                  flag("CR4.SMAP"),
                  flag("AC")};
  s.build = [cpu](const Choice& choice) {
    Reader in(choice);
    Case c;
    open_paths(c, 1 + in.next(), 1);
    const std::uint64_t flags = in.next(kP) | in.next(kW) | in.next(kU) | in.next(kA) | in.next(kD) | in.next(kNx);
    const bool reserved = in.on();
    set_flags(c.a[c.leaf_a], kP | kW | kU | kA | kD | kNx, flags | (reserved ? reserved_bit(cpu) : 0));
    c.form = in.next();
    c.user = in.on();
    c.controls.nxe = in.on();
    c.controls.wp = in.on();
    c.controls.smep = in.on();
    c.controls.smap = in.on();
    c.ac = in.on();
    if (reserved && reserved_bit(cpu) == 0) return illegal(kNoReserved);
    if (c.ac && (c.user || c.form == kFetch)) return illegal(kAcOfUser);
    return legal(c);
  };
  return s;
}

Section upper_section(const model::Cpu& cpu) {
  Section s{2, "upper", "flags of one upper entry, and rights of the leaf below it", {}, {}};
  s.dimensions = {numbers("entry", 2, 4),
                  flag("P"),
                  flag("W"),
                  flag("U"),
                  flag("NX"),
                  flag("A"),
                  flag("RSVD"),
                  numbers("leaf", 1, 3),
                  flag("leaf W"),
                  flag("leaf U"),
                  flag("leaf NX"),
                  plain_access(),
                  who(),
                  flag("EFER.NXE"),
                  flag("CR0.WP"),
                  flag("CR4.SMEP")};
  s.build = [cpu](const Choice& choice) {
    Reader in(choice);
    Case c;
    const unsigned level = 2 + in.next();
    const std::uint64_t flags = in.next(kP) | in.next(kW) | in.next(kU) | in.next(kNx) | in.next(kA);
    const bool reserved = in.on();
    open_paths(c, 1 + in.next(), 1);
    if (level <= c.leaf_a) return illegal(kLevelBelowLeaf);
    if (reserved && reserved_bit(cpu) == 0) return illegal(kNoReserved);
    set_flags(c.a[level], kP | kW | kU | kNx | kA, flags | (reserved ? reserved_bit(cpu) : 0));
    set_flags(c.a[c.leaf_a], kW | kU | kNx, in.next(kW) | in.next(kU) | in.next(kNx));
    c.form = in.next();
    c.user = in.on();
    c.controls.nxe = in.on();
    c.controls.wp = in.on();
    c.controls.smep = in.on();
    return legal(c);
  };
  return s;
}

Section bits_section(const model::Cpu& cpu) {
  Section s{3, "bits", "every single bit of every entry, flipped", {}, {}};
  s.dimensions = {numbers("bit", 0, 63), numbers("entry", 1, 4), numbers("leaf", 1, 3), plain_access(), who(),
                  flag("EFER.NXE")};
  s.build = [cpu](const Choice& choice) {
    Reader in(choice);
    Case c;
    const unsigned bit = in.next(), level = 1 + in.next();
    open_paths(c, 1 + in.next(), 1);
    c.form = in.next();
    c.user = in.on();
    c.controls.nxe = in.on();
    if (level < c.leaf_a) return illegal(kLevelBelowLeaf);
    const bool leaf = level == c.leaf_a;
    const unsigned page_bits = leaf ? model::index_shift(Paging::kFourLevel, level) : 12;
    if (bit >= page_bits && bit < cpu.physical_bits)
      return illegal("a bit of an address that leads out of the guest's memory");
    if (bit == 7 && leaf && level > 1) return illegal("without PS this entry is no leaf, and its table is data");
    if (bit == 7 && !leaf && (level == 2 || (level == 3 && cpu.huge_1g)))
      return illegal("with PS this entry is a leaf: the section leaf has those");
    c.a[level] ^= 1ULL << bit;
    return legal(c);
  };
  return s;
}

Section flags_section(const model::Cpu& cpu, unsigned id, Paging paging) {
  const bool five = paging == Paging::kFiveLevel;
  Section s{id,
            five ? "five" : "all",
            five ? "5-level paging: every flag of every level at once" : "every flag of every level at once",
            {},
            {}};
  if (five) s.one_of = {Feature::kLa57};
  const unsigned root = model::memory_levels(paging);
  static const std::array<std::array<std::string_view, 8>, 5> kNames = {{
      {"PTE P", "PTE W", "PTE U", "PTE NX", "PTE A", "PTE D", "PTE RSVD", ""},
      {"PDE P", "PDE W", "PDE U", "PDE NX", "PDE A", "PDE D", "PDE RSVD", "PDE bit 13"},
      {"PDPTE P", "PDPTE W", "PDPTE U", "PDPTE NX", "PDPTE A", "PDPTE D", "PDPTE RSVD", "PDPTE bit 29"},
      {"PML4E P", "PML4E W", "PML4E U", "PML4E NX", "PML4E A", "PML4E D", "PML4E RSVD", "PML4E PS"},
      {"PML5E P", "PML5E W", "PML5E U", "PML5E NX", "PML5E A", "PML5E D", "PML5E RSVD", "PML5E PS"},
  }};
  s.dimensions = {
      numbers("leaf", 1, 3),
      plain_access(),
      who(),
      flag("EFER.NXE", 1),
      flag("CR0.WP"),
      flag("CR4.SMEP"),
      flag("CR4.SMAP"),
      five ? list("region", {"lower", "upper", "lower edge", "not canonical"}) : list("region", {"lower", "upper"})};
  if (!five) s.dimensions.insert(s.dimensions.end(), {flag("AC"), flag("G"), flag("PAT")});
  for (unsigned level = 1; level <= root; ++level) {
    for (unsigned i = 0; i < 8; ++i) {
      const std::string_view flag_name = kNames.at(level - 1).at(i);
      if (flag_name.empty()) continue;
      const bool permits = i < 3, denies = i == 3 || i >= 6;
      s.dimensions.push_back(permits ? flag(flag_name, 1) : denies ? flag(flag_name, 0) : flag(flag_name));
    }
  }
  s.build = [cpu, root, paging](const Choice& choice) {
    static constexpr std::array kRegions = {Region::kLower, Region::kUpper, Region::kLowerEdge, Region::kNonCanonical};
    Reader in(choice);
    Case c;
    c.controls.paging = paging;
    open_paths(c, 1 + in.next(), 1);
    c.form = in.next();
    c.user = in.on();
    c.controls.nxe = in.on();
    c.controls.wp = in.on();
    c.controls.smep = in.on();
    c.controls.smap = in.on();
    c.region = kRegions.at(in.next());
    if (paging == Paging::kFourLevel) {
      c.ac = in.on();
      c.a[c.leaf_a] |= in.next(kG) | in.next(c.leaf_a == 1 ? kPs : 1ULL << 12);
    }
    if (c.ac && (c.user || c.form == kFetch)) return illegal(kAcOfUser);
    for (unsigned level = 1; level <= root; ++level) {
      std::uint64_t flags = in.next(kP) | in.next(kW) | in.next(kU);
      flags |= in.next(kNx) | in.next(kA) | in.next(kD);
      const bool reserved = in.on(), special = level > 1 && in.on();
      if (level < c.leaf_a) {
        if (reserved || special) return illegal(kLevelBelowLeaf);
        continue;
      }
      if (reserved && reserved_bit(cpu) == 0) return illegal(kNoReserved);
      if (reserved) flags |= reserved_bit(cpu);
      if (special && level >= 4) flags |= kPs;
      if (special && level < 4) {
        if (level != c.leaf_a) return illegal("an address bit of an entry that is no leaf");
        flags |= level == 2 ? 1ULL << 13 : 1ULL << 29;
      }
      set_flags(c.a[level], kP | kW | kU | kNx | kA | kD, flags);
    }
    return legal(c);
  };
  return s;
}

Section frames_section(const model::Cpu& cpu) {
  Section s{
      11, "frames", "every address bit of leaves of every size: for walkers, as no machine has the memory", {}, {}};
  s.dimensions = {
      numbers("bit", 12, 51),    numbers("second bit", 12, 51), numbers("leaf", 1, 3), plain_access(), who(),
      list("levels", {"4", "5"})};
  s.one_of = {Feature::kHighMemory};
  s.build = [cpu](const Choice& choice) {
    Reader in(choice);
    Case c;
    const unsigned first = 12 + in.next(), second = 12 + in.next();
    const unsigned leaf = 1 + in.next();
    c.form = in.next();
    c.user = in.on();
    if (in.on()) c.controls.paging = Paging::kFiveLevel;
    open_paths(c, leaf, 1);
    if (second < first) return illegal("the same bits in the other order");
    if (first < model::index_shift(Paging::kFourLevel, leaf) || second >= cpu.physical_bits)
      return illegal("no address bit of this leaf: the sections bits and all have those");
    c.a[leaf] ^= 1ULL << first;
    if (second != first) c.a[leaf] ^= 1ULL << second;
    c.needs.add(Feature::kHighMemory);
    return legal(c);
  };
  return s;
}

}  // namespace faultline::vmm::conform

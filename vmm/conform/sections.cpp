// The tables of the matrix. Add at the end only: case numbers are made of indices into them.
#include <fmt/format.h>

#include "vmm/conform/matrix.hpp"

namespace faultline::vmm::conform {
namespace {

using model::Paging;

constexpr std::uint64_t kP = 1, kW = 2, kU = 4, kA = 1U << 5, kD = 1U << 6, kPs = 1U << 7, kG = 1U << 8;
constexpr std::uint64_t kNx = 1ULL << 63;
constexpr std::uint64_t kOpen = kP | kW | kU | kA;  // lets everything through

Dimension flag(std::string_view name, std::optional<unsigned> usual = std::nullopt) {
  return {name, {"0", "1"}, usual};
}
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
  for (const Form& f : forms()) d.values.emplace_back(f.name);
  return d;
}

const Dimension kAccess = list("access", {"read", "write", "fetch"});
const Dimension kWhoDimension = list("level", {"supervisor", "user"});

// The indices of a choice, one after the other as the dimensions are declared.
class Reader {
 public:
  explicit Reader(const Choice& choice) : choice_(choice) {}
  unsigned next() { return choice_[at_++]; }
  // `bits` when the next flag is set.
  std::uint64_t next(std::uint64_t bits) { return next() != 0 ? bits : 0; }
  bool on() { return next() != 0; }

 private:
  const Choice& choice_;
  std::size_t at_ = 0;
};

// Entries that let everything through, down to leaves of the given levels.
void open_paths(Case& c, unsigned leaf_a, unsigned leaf_b) {
  c.leaf_a = leaf_a;
  c.leaf_b = leaf_b;
  for (unsigned level = 1; level <= c.root_level(); ++level) {
    const std::uint64_t ps_a = level == leaf_a && level > 1 ? kPs : 0;
    const std::uint64_t ps_b = level == leaf_b && level > 1 ? kPs : 0;
    c.a[level] = level >= leaf_a ? entry_a(level, leaf_a, kOpen | ps_a) : 0;
    c.b[level] = level >= leaf_b ? entry_b(level, leaf_b, kOpen | ps_b) : 0;
  }
}

void set_flags(std::uint64_t& entry, std::uint64_t mask, std::uint64_t flags) { entry = (entry & ~mask) | flags; }

// The highest address bit there is not; where all 52 are there, bit 51 leads nowhere.
std::uint64_t reserved_bit(const model::Cpu& cpu) { return cpu.physical_bits < 52 ? 1ULL << 51 : 0; }

Built illegal(std::string_view reason) { return {std::nullopt, reason}; }
Built legal(Case c) { return {std::move(c), ""}; }

constexpr std::string_view kNoReserved = "with 52 address bits no bit of the address is reserved";
constexpr std::string_view kLevelBelowLeaf = "the walk ends above this level";
constexpr std::string_view kAcOfUser = "AC matters to data accesses of a supervisor alone";
constexpr std::string_view kOneLevelOnly = "this instruction is one of supervisor code";
constexpr std::string_view kNoAccess = "the instruction makes no access that could straddle";
constexpr std::string_view kNoCodeThere = "no instruction begins at this offset";
constexpr std::string_view kHugeAtEdge = "1 GiB pages beside the canonical boundary are those of the section leaf";

bool fits_offset(const Case& c) { return !c.instruction().fetch() || c.offset % 8 == 0 || c.offset % 8 == 7; }

Section leaf(const model::Cpu& cpu) {
  Section s{1, "leaf", "every flag of a leaf of every size, under every control that bears on it", {}, {}};
  s.dimensions = {numbers("leaf", 1, 3),
                  flag("P"),
                  flag("W"),
                  flag("U"),
                  flag("A"),
                  flag("D"),
                  flag("NX"),
                  flag("RSVD"),
                  kAccess,
                  kWhoDimension,
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

Section upper(const model::Cpu& cpu) {
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
                  kAccess,
                  kWhoDimension,
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

Section bits(const model::Cpu& cpu) {
  Section s{3, "bits", "every single bit of every entry, flipped", {}, {}};
  s.dimensions = {numbers("bit", 0, 63), numbers("entry", 1, 4), numbers("leaf", 1, 3), kAccess,
                  kWhoDimension,         flag("EFER.NXE")};
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

Section instructions(const model::Cpu&) {
  Section s{4, "instructions", "every instruction that makes an access, at a page that lets it or not", {}, {}};
  s.dimensions = {all_forms(),
                  kWhoDimension,
                  flag("P"),
                  flag("W"),
                  flag("U"),
                  flag("A and D"),
                  numbers("leaf", 1, 3),
                  flag("CR0.WP"),
                  list("half", {"lower", "upper"})};
  s.build = [](const Choice& choice) {
    Reader in(choice);
    Case c;
    c.form = in.next();
    c.user = in.on();
    const std::uint64_t flags = in.next(kP) | in.next(kW) | in.next(kU) | in.next(kA | kD);
    open_paths(c, 1 + in.next(), 1);
    set_flags(c.a[c.leaf_a], kP | kW | kU | kA | kD, flags);
    c.controls.wp = in.on();
    c.region = in.on() ? Region::kUpper : Region::kLower;
    if (c.user && c.instruction().who == Who::kSupervisorOnly) return illegal(kOneLevelOnly);
    return legal(c);
  };
  return s;
}

Section straddle(const model::Cpu& cpu) {
  Section s{5, "straddle", "accesses over the boundary of two pages with nothing in common but the root", {}, {}};
  s.dimensions = {all_forms(),
                  kWhoDimension,
                  list("offset", {"0xff8", "0xff9", "0xffc", "0xffd", "0xffe", "0xfff", "0xff1"}),
                  flag("P"),
                  flag("W"),
                  flag("U"),
                  flag("NX"),
                  flag("second P"),
                  flag("second W"),
                  flag("second U"),
                  flag("second NX"),
                  flag("second RSVD"),
                  flag("second A and D"),
                  numbers("leaf", 1, 2),
                  numbers("second leaf", 1, 3),
                  list("second level", {"leaf", "2", "3", "4"}),
                  flag("EFER.NXE"),
                  flag("CR0.WP"),
                  flag("CR4.SMAP"),
                  list("region", {"lower", "upper", "lower edge"})};
  s.build = [cpu](const Choice& choice) {
    static constexpr std::array<std::uint64_t, 7> kOffsets = {0xff8, 0xff9, 0xffc, 0xffd, 0xffe, 0xfff, 0xff1};
    static constexpr std::array kRegions = {Region::kLower, Region::kUpper, Region::kLowerEdge};
    Reader in(choice);
    Case c;
    c.form = in.next();
    c.user = in.on();
    c.offset = kOffsets.at(in.next());
    const std::uint64_t first = in.next(kP) | in.next(kW) | in.next(kU) | in.next(kNx);
    std::uint64_t second = in.next(kP) | in.next(kW) | in.next(kU) | in.next(kNx);
    const bool reserved = in.on();
    second |= in.next(kA | kD);
    const unsigned leaf_a = 1 + in.next(), leaf_b = 1 + in.next(), where = in.next();
    c.controls.nxe = in.on();
    c.controls.wp = in.on();
    c.controls.smap = in.on();
    c.region = kRegions.at(in.next());
    open_paths(c, leaf_a, leaf_b);
    const unsigned level = where == 0 ? leaf_b : where + 1;
    if (level < leaf_b || (where != 0 && level == leaf_b)) return illegal(kLevelBelowLeaf);
    if (reserved && reserved_bit(cpu) == 0) return illegal(kNoReserved);
    if (c.user && c.instruction().who == Who::kSupervisorOnly) return illegal(kOneLevelOnly);
    if (!fits_offset(c)) return illegal(kNoCodeThere);
    if (!c.straddles()) return illegal(kNoAccess);
    if (c.region == Region::kLowerEdge && leaf_b == 3) return illegal(kHugeAtEdge);
    set_flags(c.a[leaf_a], kP | kW | kU | kNx, first);
    set_flags(c.b[level], kP | kW | kU | kNx | kA | kD, second | (reserved ? reserved_bit(cpu) : 0));
    return legal(c);
  };
  return s;
}

Section canonical(const model::Cpu&) {
  Section s{6, "canonical", "addresses whose upper bits differ: #GP or #SS, never #PF", {}, {}};
  s.dimensions = {all_forms(), kWhoDimension,    list("offset", {"0", "8", "0x7f8", "0xff8"}),
                  flag("P"),   flag("CR4.SMAP"), flag("EFER.NXE")};
  s.build = [](const Choice& choice) {
    static constexpr std::array<std::uint64_t, 4> kOffsets = {0, 8, 0x7f8, 0xff8};
    Reader in(choice);
    Case c;
    c.region = Region::kNonCanonical;
    c.form = in.next();
    c.user = in.on();
    c.offset = kOffsets.at(in.next());
    open_paths(c, 1, 1);
    set_flags(c.a[1], kP, in.next(kP));
    c.controls.smap = in.on();
    c.controls.nxe = in.on();
    if (c.user && c.instruction().who == Who::kSupervisorOnly) return illegal(kOneLevelOnly);
    if (c.straddles()) return illegal("the section straddle has those");
    return legal(c);
  };
  return s;
}

Section stale(const model::Cpu& cpu) {
  Section s{7, "stale", "an entry changes between two accesses, with and without an invalidation", {}, {}};
  s.dimensions = {numbers("entry", 1, 4),
                  list("change", {"P 1 to 0", "P 0 to 1", "W 1 to 0", "W 0 to 1", "U 1 to 0", "U 0 to 1", "NX 0 to 1",
                                  "NX 1 to 0", "RSVD 0 to 1", "RSVD 1 to 0", "another frame"}),
                  list("invalidation", {"none", "INVLPG", "MOV to CR3", "CR4.PGE twice"}),
                  flag("G"),
                  list("first access", {"read", "write", "fetch"}),
                  list("first level", {"supervisor", "user"}),
                  kAccess,
                  kWhoDimension,
                  numbers("leaf", 1, 2)};
  s.build = [cpu](const Choice& choice) {
    // The flag that changes, and what it is at first. Reserved bits depend on the processor.
    struct Flip {
      std::uint64_t mask;
      bool set_first;
    };
    const std::uint64_t rsvd = reserved_bit(cpu);
    const std::array<Flip, 10> flips = {{{kP, true},
                                         {kP, false},
                                         {kW, true},
                                         {kW, false},
                                         {kU, true},
                                         {kU, false},
                                         {kNx, false},
                                         {kNx, true},
                                         {rsvd, false},
                                         {rsvd, true}}};
    static constexpr std::array kFlushes = {Flush::kNone, Flush::kInvlpg, Flush::kReloadCr3, Flush::kTogglePge};
    Reader in(choice);
    Case c;
    Change change;
    change.level = 1 + in.next();
    const unsigned what = in.next();
    change.flush = kFlushes.at(in.next());
    const bool global = in.on();
    change.warm_form = in.next();
    change.warm_user = in.on();
    c.form = in.next();
    c.user = in.on();
    open_paths(c, 1 + in.next(), 1);
    if (change.level < c.leaf_a) return illegal(kLevelBelowLeaf);
    for (unsigned level = c.leaf_a; level <= c.root_level(); ++level) c.a[level] |= kD;
    if (global) c.a[c.leaf_a] |= kG;
    std::uint64_t& entry = c.a[change.level];
    if (what == flips.size()) {
      if (change.level != 1) return illegal("another frame is one for a PTE here");
      change.value = entry - (kPageA - kOtherPage);
    } else {
      const Flip flip = flips.at(what);
      if (flip.mask == 0) return illegal(kNoReserved);
      const std::uint64_t without = entry & ~flip.mask, with = entry | flip.mask;
      entry = flip.set_first ? with : without;
      change.value = flip.set_first ? without : with;
    }
    c.change = change;
    return legal(c);
  };
  return s;
}

Section keys(const model::Cpu&) {
  Section s{8, "keys", "protection keys of user and supervisor pages", {}, {}};
  s.dimensions = {list("kind", {"PKU", "PKS"}),
                  numbers("key", 0, 15),
                  flag("AD"),
                  flag("WD"),
                  kAccess,
                  kWhoDimension,
                  flag("U"),
                  flag("W"),
                  flag("CR0.WP"),
                  numbers("leaf", 1, 2),
                  flag("P")};
  s.one_of = {Feature::kPku, Feature::kPks};
  s.build = [](const Choice& choice) {
    Reader in(choice);
    Case c;
    const bool supervisor = in.on();
    const unsigned key = in.next();
    const std::uint32_t rights = static_cast<std::uint32_t>(in.next(1) | in.next(2)) << (2 * key);
    (supervisor ? c.controls.pks : c.controls.pke) = true;
    (supervisor ? c.controls.pkrs : c.controls.pkru) = rights;
    c.form = in.next();
    c.user = in.on();
    const std::uint64_t flags = in.next(kU) | in.next(kW);
    c.controls.wp = in.on();
    open_paths(c, 1 + in.next(), 1);
    set_flags(c.a[c.leaf_a], kU | kW | kP, flags | in.next(kP) | std::uint64_t{key} << 59);
    if (supervisor && key == 0 && rights != 0) return illegal("key 0 is that of the runner's own pages");
    return legal(c);
  };
  return s;
}

// Flags of every level at once.
Section everything(const model::Cpu& cpu, unsigned id, Paging paging) {
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
      kAccess,
      kWhoDimension,
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

Section frames(const model::Cpu& cpu) {
  Section s{
      11, "frames", "every address bit of leaves of every size: for walkers, as no machine has the memory", {}, {}};
  s.dimensions = {numbers("bit", 12, 51), numbers("second bit", 12, 51), numbers("leaf", 1, 3), kAccess,
                  kWhoDimension,          list("levels", {"4", "5"})};
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

}  // namespace

std::vector<Section> make_matrix(const model::Cpu& cpu) {
  return {leaf(cpu),
          upper(cpu),
          bits(cpu),
          instructions(cpu),
          straddle(cpu),
          canonical(cpu),
          stale(cpu),
          keys(cpu),
          everything(cpu, 9, Paging::kFourLevel),
          everything(cpu, 10, Paging::kFiveLevel),
          frames(cpu)};
}

}  // namespace faultline::vmm::conform

// Sections about what else decides: what is cached, and protection keys.
#include "vmm/conform/section_parts.hpp"
#include "vmm/conform/sections.hpp"

namespace faultline::vmm::conform {

Section stale_section(const model::Cpu& cpu) {
  Section s{7, "stale", "an entry changes between two accesses, with and without an invalidation", {}, {}};
  s.dimensions = {numbers("entry", 1, 4),
                  list("change", {"P 1 to 0", "P 0 to 1", "W 1 to 0", "W 0 to 1", "U 1 to 0", "U 0 to 1", "NX 0 to 1",
                                  "NX 1 to 0", "RSVD 0 to 1", "RSVD 1 to 0", "another frame"}),
                  list("invalidation", {"none", "INVLPG", "MOV to CR3", "CR4.PGE twice"}),
                  flag("G"),
                  list("first access", {"read", "write", "fetch"}),
                  list("first level", {"supervisor", "user"}),
                  plain_access(),
                  who(),
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

Section keys_section(const model::Cpu&) {
  Section s{8, "keys", "protection keys of user and supervisor pages", {}, {}};
  s.dimensions = {list("kind", {"PKU", "PKS"}),
                  numbers("key", 0, 15),
                  flag("AD"),
                  flag("WD"),
                  plain_access(),
                  who(),
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

Section implicit_section(const model::Cpu&) {
  Section s{15, "implicit", "segment loads from a local descriptor table: supervisor accesses at every level", {}, {}};
  s.dimensions = {list("instruction", {"load-segment", "load-fresh-segment"}),
                  who(),
                  list("offset", {"0", "8"}),
                  list("half", {"lower", "upper"}),
                  flag("P"),
                  flag("W"),
                  flag("U"),
                  flag("A and D"),
                  numbers("leaf", 1, 3),
                  flag("CR0.WP"),
                  flag("CR4.SMAP"),
                  flag("AC"),
                  flag("PDE U")};
  s.build = [](const Choice& choice) {
    Reader in(choice);
    Case c;
    c.form = in.on() ? kLoadFreshSegment : kLoadSegment;
    c.user = in.on();
    c.offset = in.next(8);
    c.region = in.on() ? Region::kUpper : Region::kLower;
    const std::uint64_t flags = in.next(kP) | in.next(kW) | in.next(kU) | in.next(kA | kD);
    open_paths(c, 1 + in.next(), 1);
    set_flags(c.a[c.leaf_a], kP | kW | kU | kA | kD, flags);
    c.controls.wp = in.on();
    c.controls.smap = in.on();
    c.ac = in.on();
    const std::uint64_t upper = in.next(kU);
    if (c.leaf_a > 1 && upper == 0) return illegal(kLevelBelowLeaf);
    if (c.leaf_a == 1) set_flags(c.a[2], kU, upper);
    return legal(c);
  };
  return s;
}

}  // namespace faultline::vmm::conform

// Sections about the access: its instruction and its address.
#include "vmm/conform/section_parts.hpp"
#include "vmm/conform/sections.hpp"

namespace faultline::vmm::conform {
namespace {

constexpr std::string_view kNoAccess = "the instruction makes no access that could straddle";
constexpr std::string_view kHugeAtEdge = "1 GiB pages beside the canonical boundary are those of the section leaf";

bool fits_offset(const Case& c) { return !c.instruction().fetch() || c.offset % 8 == 0 || c.offset % 8 == 7; }

}  // namespace

Section instructions_section(const model::Cpu&) {
  Section s{4, "instructions", "every instruction that makes an access, at a page that lets it or not", {}, {}};
  s.dimensions = {all_forms(),
                  who(),
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

Section straddle_section(const model::Cpu& cpu) {
  Section s{5, "straddle", "accesses over the boundary of two pages with nothing in common but the root", {}, {}};
  s.dimensions = {all_forms(),
                  who(),
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

Section canonical_section(const model::Cpu&) {
  Section s{6, "canonical", "addresses whose upper bits differ: #GP or #SS, never #PF", {}, {}};
  s.dimensions = {all_forms(),      who(),           list("offset", {"0", "8", "0x7f8", "0xff8"}), flag("P"),
                  flag("CR4.SMAP"), flag("EFER.NXE")};
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

}  // namespace faultline::vmm::conform

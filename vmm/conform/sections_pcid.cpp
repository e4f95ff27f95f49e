// The section about what is cached under which PCID.
#include "vmm/conform/section_parts.hpp"
#include "vmm/conform/sections.hpp"

namespace faultline::vmm::conform {

Section pcid_section(const model::Cpu&) {
  Section s{17, "pcid", "an entry changes under one PCID or another, and INVPCID, INVLPG or MOV to CR3 follow", {}, {}};
  s.one_of = {Feature::kPcid};
  s.dimensions = {numbers("entry", 1, 4),
                  list("change", {"P 1 to 0", "P 0 to 1", "W 1 to 0", "W 0 to 1", "another frame"}),
                  flag("G"),
                  list("first PCID", {"0", "1", "4095"}),
                  list("PCID of the store", {"first", "2"}),
                  list("PCID of the access", {"first", "2"}),
                  flag("bit 63"),
                  list("invalidation", {"none", "INVLPG", "INVPCID 0 of first", "INVPCID 0 of 2", "INVPCID 1 of first",
                                        "INVPCID 1 of 2", "INVPCID 2", "INVPCID 3"}),
                  list("first access", {"read", "write"}),
                  list("access", {"read", "write"}),
                  who(),
                  numbers("leaf", 1, 2)};
  s.build = [](const Choice& choice) {
    enum What : std::uint8_t { kClearP, kSetP, kClearW, kSetW, kFrame };
    constexpr unsigned kOther = 2;
    static constexpr std::array kFlushes = {
        Flush::kNone,           Flush::kInvlpg,         Flush::kInvpcidAddress, Flush::kInvpcidAddress,
        Flush::kInvpcidContext, Flush::kInvpcidContext, Flush::kInvpcidAll,     Flush::kInvpcidAllButGlobal};
    static constexpr std::array kFirst = {0U, 1U, 4095U};
    Reader in(choice);
    Case c;
    c.controls.pcide = true;
    Change change;
    change.level = 1 + in.next();
    const unsigned what = in.next();
    const std::uint64_t global = in.next(kG);
    Pcids pcids;
    pcids.first = kFirst.at(in.next());
    pcids.store = in.on() ? kOther : pcids.first;
    pcids.last = in.on() ? kOther : pcids.first;
    pcids.keep = in.on();
    const unsigned how = in.next();
    change.flush = kFlushes.at(how);
    pcids.invalidated = how == 3 || how == 5 ? kOther : pcids.first;
    change.pcids = pcids;
    change.warm_form = in.on() ? kWrite8 : kRead8;
    c.form = in.on() ? kWrite8 : kRead8;
    c.user = change.warm_user = in.on();
    open_paths(c, 1 + in.next(), 1);
    if (!c.user) c.a[c.leaf_a] &= ~kU;
    if (change.level < c.leaf_a) return illegal(kLevelBelowLeaf);
    if (what == kFrame && change.level != 1) return illegal("another frame is one for a PTE here");
    c.a[c.leaf_a] |= kD | global;
    std::uint64_t& entry = c.a[change.level];
    const std::uint64_t flag = what == kClearP || what == kSetP ? kP : kW;
    change.value = what == kFrame ? entry - (kPageA - kOtherPage) : entry & ~flag;
    if (what == kSetP || what == kSetW) std::swap(entry, change.value);
    c.change = change;
    return legal(c);
  };
  return s;
}

}  // namespace faultline::vmm::conform

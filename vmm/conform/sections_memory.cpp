// The section about where page tables lie.
#include "vmm/conform/section_parts.hpp"
#include "vmm/conform/sections.hpp"

namespace faultline::vmm::conform {

Section memory_section(const model::Cpu&) {
  Section s{16, "memory", "a page table in read-only memory, or where there is no memory", {}, {}};
  s.one_of = {Feature::kReadOnlyTables, Feature::kAbsentTables};
  s.dimensions = {list("memory", {"read-only", "none"}),
                  numbers("level", 1, kRomLevels),
                  plain_access(),
                  flag("read-modify-write"),
                  who(),
                  flag("P"),
                  flag("W"),
                  flag("U"),
                  flag("A"),
                  flag("D"),
                  flag("CR0.WP"),
                  flag("EFER.NXE"),
                  list("half", {"lower", "upper"})};
  s.build = [](const Choice& choice) {
    constexpr unsigned kAdd8 = 9;
    Reader in(choice);
    Case c;
    const Storage storage = in.on() ? Storage::kAbsent : Storage::kReadOnly;
    const unsigned level = 1 + in.next();
    c.form = in.next();
    const bool both = in.on();
    c.user = in.on();
    const std::uint64_t flags = in.next(kP) | in.next(kW) | in.next(kU) | in.next(kA) | in.next(kD);
    c.controls.wp = in.on();
    c.controls.nxe = in.on();
    c.region = in.on() ? Region::kUpper : Region::kLower;
    if (both && c.form != kWrite8) return illegal("a read-modify-write is a kind of write");
    if (both) c.form = kAdd8;
    if (storage == Storage::kAbsent && flags != 0) return illegal("without memory there are no flags");
    if (level > 1 && (flags & kD) != 0) return illegal("D of an entry that is no leaf is ignored");
    open_paths(c, 1, 1);
    set_flags(c.a[level], kP | kW | kU | kA | kD, flags);
    place_table(c, storage, level);
    c.needs.add(storage == Storage::kAbsent ? Feature::kAbsentTables : Feature::kReadOnlyTables);
    return legal(c);
  };
  return s;
}

}  // namespace faultline::vmm::conform

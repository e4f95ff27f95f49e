// Sections of 32-bit code: 32-bit and PAE paging.
#include "vmm/conform/section_parts.hpp"
#include "vmm/conform/sections.hpp"

namespace faultline::vmm::conform {
namespace {

using model::Paging;

constexpr std::array<unsigned, 6> kForms = {kRead4, kWrite4, kFetch, kIncrement4, kRead1, kWrite2};
constexpr std::array<std::uint64_t, 3> kOffsets = {0, 4, 0xfff};
Dimension form() { return list("instruction", {"read4", "write4", "fetch", "inc4", "read1", "write2"}); }
Dimension offset() { return list("offset", {"0", "4", "0xfff"}); }

constexpr std::string_view kNoSecondPage = "the access does not reach the second page";

// The dimensions that say who does what, and with which controls.
std::vector<Dimension> access_dimensions() {
  return {form(), who(), offset(), flag("CR0.WP"), flag("CR4.SMEP"), flag("CR4.SMAP"), flag("AC"), flag("EFER.NXE")};
}
void read_access(Reader& in, Case& c) {
  c.form = kForms.at(in.next());
  c.user = in.on();
  c.offset = kOffsets.at(in.next());
  c.controls.wp = in.on();
  c.controls.smep = in.on();
  c.controls.smap = in.on();
  c.ac = in.on();
  c.controls.nxe = in.on();
}
// What makes no case of it, or nothing.
std::string_view wrong_access(const Case& c) {
  if (c.ac && (c.user || c.form == kFetch)) return kAcOfUser;
  if (c.form == kFetch && c.offset == 4) return kNoCodeThere;
  if (c.offset == 0xfff && !c.straddles()) return kNoSecondPage;
  return "";
}

}  // namespace

Section two_level_section(const model::Cpu& cpu) {
  Section s{12, "two-level", "32-bit paging: pages of 4 KiB and, with CR4.PSE, of 4 MiB and 36 bits and more", {}, {}};
  s.one_of = {Feature::kTwoLevel};
  s.dimensions = access_dimensions();
  const std::vector<Dimension> more = {flag("CR4.PSE", 1),
                                       list("region", {"lower", "upper"}),
                                       numbers("leaf", 1, 2),
                                       flag("P", 1),
                                       flag("W"),
                                       flag("U"),
                                       flag("A"),
                                       flag("D"),
                                       flag("PDE P", 1),
                                       flag("PDE W", 1),
                                       flag("PDE U", 1),
                                       list("special", {"none", "G", "PAT", "PS and no PSE", "bit 13", "bit 21"}),
                                       flag("second P", 1),
                                       flag("second W"),
                                       flag("second U"),
                                       numbers("second leaf", 1, 2)};
  s.dimensions.insert(s.dimensions.end(), more.begin(), more.end());
  s.build = [cpu](const Choice& choice) {
    enum Special : std::uint8_t { kNone, kGlobal, kPat, kPsIgnored, kBit13, kBit21 };
    Reader in(choice);
    Case c;
    c.controls.paging = Paging::kTwoLevel;
    read_access(in, c);
    c.controls.pse = in.on();
    c.region = in.on() ? Region::kUpper : Region::kLower;
    const unsigned leaf = 1 + in.next();
    const std::uint64_t flags = in.next(kP) | in.next(kW) | in.next(kU) | in.next(kA) | in.next(kD);
    const std::uint64_t upper = in.next(kP) | in.next(kW) | in.next(kU);
    const unsigned special = in.next();
    const std::uint64_t second = in.next(kP) | in.next(kW) | in.next(kU);
    open_paths(c, leaf, 1 + in.next());
    if (const std::string_view wrong = wrong_access(c); !wrong.empty()) return illegal(wrong);
    if (!c.controls.pse && (c.leaf_a == 2 || c.leaf_b == 2)) return illegal("without PSE there are no large pages");
    if (!c.straddles() && (second != (kP | kW | kU) || c.leaf_b != 1)) return illegal(kNoSecondPage);
    if (leaf == 2 && upper != (kP | kW | kU)) return illegal("this PDE is the leaf");
    set_flags(c.a[leaf], kP | kW | kU | kA | kD, flags);
    if (leaf == 1) set_flags(c.a[2], kP | kW | kU, upper);
    set_flags(c.b[c.leaf_b], kP | kW | kU, second);
    switch (special) {
      case kNone: break;
      case kGlobal: c.a[leaf] |= kG; break;
      case kPat: c.a[leaf] |= leaf == 1 ? kPs : 1U << 12; break;
      case kPsIgnored:
        if (leaf != 1 || c.controls.pse) return illegal("PS is ignored in the PDE of a table without PSE alone");
        c.a[2] |= kPs;
        break;
      case kBit13:
        if (leaf != 2) return illegal("an address bit of a page of 4 MiB");
        if (!cpu.pse36) return illegal("this processor has no PSE-36");
        if (c.form != kRead4 || c.offset == 0xfff)
          return illegal("there is one page beyond 4 GiB, and it is read only");
        c.a[2] |= 1U << 13;
        break;
      case kBit21:
        if (leaf != 2) return illegal("reserved in a page of 4 MiB");
        c.a[2] |= 1U << 21;
        break;
    }
    return legal(c);
  };
  return s;
}

Section pae_section(const model::Cpu& cpu) {
  Section s{13, "pae", "PAE paging: pages of 4 KiB and 2 MiB, NX, PDPTEs without rights", {}, {}};
  s.one_of = {Feature::kPae};
  s.dimensions = access_dimensions();
  const std::vector<Dimension> more = {numbers("leaf", 1, 2),
                                       flag("P", 1),
                                       flag("W"),
                                       flag("U"),
                                       flag("A"),
                                       flag("D"),
                                       flag("NX"),
                                       list("RSVD", {"none", "highest address bit", "bit 62", "bit 13"}),
                                       flag("PDE P", 1),
                                       flag("PDE W", 1),
                                       flag("PDE U", 1),
                                       flag("PDE NX", 0),
                                       flag("PDE RSVD", 0),
                                       flag("PDPTE P", 1),
                                       flag("second P", 1),
                                       flag("second W"),
                                       flag("second U"),
                                       flag("second NX"),
                                       numbers("second leaf", 1, 2),
                                       flag("second PDPTE P", 1)};
  s.dimensions.insert(s.dimensions.end(), more.begin(), more.end());
  s.build = [cpu](const Choice& choice) {
    Reader in(choice);
    Case c;
    c.controls.paging = Paging::kPae;
    read_access(in, c);
    const unsigned leaf = 1 + in.next();
    const std::uint64_t flags = in.next(kP) | in.next(kW) | in.next(kU) | in.next(kA) | in.next(kD) | in.next(kNx);
    const unsigned reserved = in.next();
    const std::uint64_t upper = in.next(kP) | in.next(kW) | in.next(kU) | in.next(kNx);
    const bool upper_reserved = in.on();
    const std::uint64_t pdpte = in.next(kP);
    const std::uint64_t second = in.next(kP) | in.next(kW) | in.next(kU) | in.next(kNx);
    open_paths(c, leaf, 1 + in.next());
    const std::uint64_t second_pdpte = in.next(kP);
    if (const std::string_view wrong = wrong_access(c); !wrong.empty()) return illegal(wrong);
    if (!c.straddles() && (second != (kP | kW | kU) || c.leaf_b != 1 || second_pdpte != kP))
      return illegal(kNoSecondPage);
    if (leaf == 2 && (upper != (kP | kW | kU) || upper_reserved)) return illegal("this PDE is the leaf");
    if ((reserved == 1 || upper_reserved) && reserved_bit(cpu) == 0) return illegal(kNoReserved);
    if (reserved == 3 && leaf == 1) return illegal("an address bit of a page of 4 KiB");
    constexpr std::uint64_t kBit62 = 1ULL << 62, kBit13 = 1U << 13;
    const std::array<std::uint64_t, 4> bits = {0, reserved_bit(cpu), kBit62, kBit13};
    set_flags(c.a[leaf], kP | kW | kU | kA | kD | kNx, flags | bits.at(reserved));
    if (leaf == 1) set_flags(c.a[2], kP | kW | kU | kNx, upper | (upper_reserved ? reserved_bit(cpu) : 0));
    set_flags(c.a[3], kP, pdpte);
    set_flags(c.b[c.leaf_b], kP | kW | kU | kNx, second);
    set_flags(c.b[3], kP, second_pdpte);
    return legal(c);
  };
  return s;
}

Section pdpte_section(const model::Cpu& cpu) {
  Section s{14, "pdpte", "PAE paging: MOV to CR3 with every bit of a PDPTE", {}, {}};
  s.one_of = {Feature::kPae};
  s.dimensions = {numbers("PDPTE", 0, 3), numbers("bit", 0, 63), flag("P"), flag("EFER.NXE")};
  s.build = [cpu](const Choice& choice) {
    Reader in(choice);
    Case c;
    c.controls.paging = Paging::kPae;
    c.form = kLoadCr3;
    c.both = true;
    const unsigned which = in.next(), bit = in.next();
    const std::uint64_t present = in.next(kP);
    c.controls.nxe = in.on();
    open_paths(c, 1, 1);
    if (which > 1) return illegal("the runner itself lives there");
    if (bit >= 12 && bit < cpu.physical_bits) return illegal("an address bit: the table would be elsewhere");
    std::uint64_t& entry = which == 0 ? c.a[3] : c.b[3];
    set_flags(entry, kP, present);
    entry ^= 1ULL << bit;
    return legal(c);
  };
  return s;
}

}  // namespace faultline::vmm::conform

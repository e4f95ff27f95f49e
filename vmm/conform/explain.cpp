// One case in full, and the matrix as a list.
#include <fmt/format.h>

#include <algorithm>

#include "vmm/conform/conformance.hpp"
#include "vmm/conform/runner.hpp"
#include "vmm/conform/second_opinion.hpp"

namespace faultline::vmm::conform {
namespace {

std::string flags_text(std::uint64_t entry, bool large) {
  struct Flag {
    unsigned bit;
    std::string_view name;
  };
  static constexpr std::array<Flag, 8> kFlags = {
      {{0, "P"}, {1, "W"}, {2, "U"}, {5, "A"}, {6, "D"}, {7, "PS"}, {8, "G"}, {63, "NX"}}};
  std::string text;
  for (const Flag& f : kFlags) {
    if ((entry >> f.bit & 1) != 0) text += fmt::format("{}{}", text.empty() ? "" : " ", f.name);
  }
  if (large && (entry >> 12 & 1) != 0) text += " PAT";
  if (const std::uint64_t key = entry >> 59 & 15; key != 0) text += fmt::format(" key {}", key);
  return text;
}

void add_path(std::string& text, const Case& c, const Path& path, unsigned leaf, bool second) {
  for (unsigned level = c.root_level(); level >= leaf; --level) {
    text += fmt::format("  {:<6} at {:#8x}  {:#018x}  {}\n", entry_name(level),
                        (second ? c.slot_b(level) : c.slot_a(level)).raw(), path[level],
                        flags_text(path[level], level == leaf && level > 1));
  }
}

std::string controls_text(const Case& c) {
  const model::Controls& k = c.controls;
  std::string text = fmt::format("{} paging, CR0.WP={} EFER.NXE={} CR4.SMEP={} CR4.SMAP={} CR4.PGE={}",
                                 model::name(k.paging), +k.wp, +k.nxe, +k.smep, +k.smap, +k.pge);
  if (k.pke) text += fmt::format(" PKRU={:#x}", k.pkru);
  if (k.pks) text += fmt::format(" PKRS={:#x}", k.pkrs);
  if (c.ac) text += " EFLAGS.AC=1";
  return text;
}

std::string_view name(Flush flush) {
  switch (flush) {
    case Flush::kNone: return "nothing";
    case Flush::kInvlpg: return "INVLPG";
    case Flush::kReloadCr3: return "MOV to CR3";
    case Flush::kTogglePge: return "CR4.PGE toggled twice";
    case Flush::kInvpcidAddress: return "INVPCID of the address";
    case Flush::kInvpcidContext: return "INVPCID of the PCID";
    case Flush::kInvpcidAll: return "INVPCID of everything";
    case Flush::kInvpcidAllButGlobal: return "INVPCID of everything but global pages";
  }
  return "";
}

void add_change(std::string& text, const Case& c) {
  const Change& change = *c.change;
  text +=
      fmt::format("first     {} of {} code, then the {} becomes {:#x} ({}), then {}\n", forms()[change.warm_form].text,
                  change.warm_user ? "user" : "supervisor", entry_name(change.level), change.value,
                  flags_text(change.value, change.level > 1 && change.level == c.leaf_a), name(change.flush));
  if (!change.pcids) return;
  const Pcids& p = *change.pcids;
  text += fmt::format("PCIDs     first access {}, store {}, access {}; MOV to CR3 with bit 63 = {}", p.first, p.store,
                      p.last, +p.keep);
  text += is_invpcid(change.flush) ? fmt::format("; INVPCID names {}\n", p.invalidated) : "\n";
}

void add_walk(std::string& text, const Expected& e) {
  for (const model::Translation& t : e.outcome.pages) {
    text += "walk      ";
    for (unsigned i = 0; i < t.count; ++i) text += fmt::format("{} ", entry_name(t.steps[i].level));
    switch (t.end) {
      case model::End::kMapped:
        text += fmt::format("-> {:#x}, page of {} KiB, W={} U={} X={}", t.physical.raw(), t.page_bytes >> 10, +t.write,
                            +t.user, +t.execute);
        break;
      case model::End::kNotPresent: text += "-> not present"; break;
      case model::End::kReserved: text += "-> reserved bit"; break;
      case model::End::kNoMemory: text += "-> no memory"; break;
    }
    text += "\n";
  }
}

}  // namespace

Result<Explained> explain_case(std::uint64_t number, const kvm::System* system, const Capabilities* capabilities,
                               const Baseline& baseline) {
  const model::Cpu cpu = capabilities != nullptr ? capabilities->offered.cpu : model::Cpu{46, true, true, false};
  const std::vector<Section> matrix = make_matrix(cpu);
  const auto found = find_case(matrix, number);
  if (!found) return tl::unexpected(found.error());
  const Case& c = *found;
  const Section& section = *std::ranges::find(matrix, c.section, &Section::id);
  std::string text = fmt::format("case      {}, section {}:", number, section.name);
  const Choice choice = section.choice(number % kNumbersPerSection);
  for (std::size_t d = 0; d < choice.size(); ++d)
    text += fmt::format(" {}={}", section.dimensions[d].name, section.dimensions[d].values[choice[d]]);
  text += fmt::format("\ncontrols  {}\nentries of {:#x}\n", controls_text(c), c.address().page_base().raw());
  add_path(text, c, c.a, c.leaf_a, false);
  if (c.straddles() && c.region != Region::kLowerEdge) {
    text += fmt::format("entries of {:#x}\n", c.address().page_base().raw() + kPageSize);
    add_path(text, c, c.b, c.leaf_b, true);
  }
  if (c.storage != Storage::kRam)
    text += fmt::format("memory    {} where the {} is\n", c.storage == Storage::kAbsent ? "none" : "read-only",
                        entry_name(c.stored_level));
  if (c.change) add_change(text, c);
  text += fmt::format("access    {} of {} code, operand {:#x}\n", c.instruction().text, c.user ? "user" : "supervisor",
                      c.address().raw());

  const Expectation e = expect(c, cpu);
  if (e.empty()) return Explained{text + "expected  undefined: the tables lead outside memory\n", true};
  add_walk(text, e.front());
  for (std::size_t i = 0; i < e.size(); ++i)
    text += fmt::format("{}  {}\n", i == 0 ? "expected" : "      or", describe(e[i]));
  const auto mmu = SecondOpinion(cpu).disagreement(c, e);
  text += fmt::format("mmu       {}\n", mmu ? *mmu : "agrees");
  if (system == nullptr || capabilities == nullptr) return Explained{text, !mmu};
  if (const auto missing = capabilities->missing(c)) {
    return Explained{text + fmt::format("got       not supported here: {}\n", conform::description(*missing)), !mmu};
  }
  Runner runner(*system, capabilities->offered, c.controls.paging);
  std::optional<Difference> difference;
  const auto ran = runner.run({&c, 1}, [&](const Case& one, const Observation& o) {
    difference = compare(one, e, o);
    text += fmt::format("got       {}\n", o.done ? describe(one, o) : o.death);
  });
  if (!ran) return tl::unexpected(ran.error());
  const Deviation* known = difference ? baseline.find(failure_of(c, *difference, section.name)) : nullptr;
  text += fmt::format("verdict   {}\n", difference ? difference->what : "as expected");
  if (known != nullptr) text += fmt::format("known     {}: {}\n", known->id, known->reason);
  return Explained{text, (!difference || known != nullptr) && !mmu};
}

std::string list_matrix() {
  std::string text = "Sections:\n";
  for (const Section& s : make_matrix({46, true, true, false})) {
    text += fmt::format("  {:<13} {} ({} combinations, numbers from {})\n", s.name, s.description, s.size(),
                        s.id * kNumbersPerSection);
    text += "               ";
    for (const Dimension& d : s.dimensions) text += fmt::format(" {}:{}", d.name, d.values.size());
    text += "\n";
  }
  text += "\nRules:\n";
  for (unsigned i = 0; i < model::kRules; ++i) {
    const auto rule = static_cast<model::Rule>(i);
    text +=
        fmt::format("  {:<18} {} (SDM, \"{}\")\n", model::name(rule), model::description(rule), model::source(rule));
  }
  text += "\nFeatures:\n";
  for (unsigned i = 0; i < kFeatures; ++i) {
    const auto f = static_cast<Feature>(i);
    text += fmt::format("  {:<18} {}\n", conform::name(f), conform::description(f));
  }
  return text;
}

}  // namespace faultline::vmm::conform

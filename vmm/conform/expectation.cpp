#include "vmm/conform/expectation.hpp"

#include <algorithm>

#include "tests/model/tlb.hpp"

namespace faultline::vmm::conform {
namespace {

using model::Outcome;

model::Access access_of(const Case& c, unsigned touch) {
  const Form& form = c.instruction();
  model::Access a;
  a.address = c.address() + form.touches[touch].offset;
  a.bytes = c.touch_bytes(touch);
  a.kind = form.touches[touch].kind;
  a.user = c.user;
  a.stack = form.stack();
  a.ac = c.ac;
  a.implicit = form.implicit();
  return a;
}

void apply(const Change& change, const Case& c, CaseMemory& memory, model::Tlb& tlb) {
  const std::array<Gva, 2> pages = {c.address().page_base(), Gva((c.address().raw() | kPageMask) + 1)};
  const bool second = c.straddles() && model::canonical(c.controls.paging, pages[1]);
  const auto may_be_cached = [&] {
    tlb.before_store(c.slot_a(change.level), change.level, std::span(pages).first(second ? 2 : 1));
  };
  const Pcids pcids = change.pcids.value_or(Pcids());
  if (change.pcids) {
    tlb.load_cr3(pcids.first);
    may_be_cached();
    tlb.load_cr3(pcids.store, pcids.keep);
  }
  may_be_cached();
  memory.store(c.slot_a(change.level), change.value);
  switch (change.flush) {
    case Flush::kNone: break;
    case Flush::kInvlpg:
      tlb.invlpg(pages[0]);
      if (second) tlb.invlpg(pages[1]);
      break;
    case Flush::kReloadCr3: tlb.load_cr3(); break;
    case Flush::kTogglePge:
    case Flush::kInvpcidAll: tlb.flush_all(); break;
    case Flush::kInvpcidAddress: tlb.invpcid_address(pcids.invalidated, pages[0]); break;
    case Flush::kInvpcidContext: tlb.invpcid_context(pcids.invalidated); break;
    case Flush::kInvpcidAllButGlobal: tlb.invpcid_all_but_global(); break;
  }
  if (change.pcids) tlb.load_cr3(pcids.last, pcids.keep);
}

// A repeated instruction: the second element is reached where the first one succeeds.
void add_second(const Case& c, const model::Cpu& cpu, const model::Memory& memory, Expectation& all) {
  Expectation with_second;
  for (Expected& first : all) {
    if (first.outcome.vector != model::kNoFault) {
      with_second.push_back(std::move(first));
      continue;
    }
    for (Outcome& second : model::predict(memory, cpu, c.controls, access_of(c, 1))) {
      Expected e{std::move(second), 1};
      for (const model::EntryAfter& entry : first.outcome.entries) e.outcome.entries.push_back(entry);
      with_second.push_back(std::move(e));
    }
  }
  all = std::move(with_second);
}

// Memory that cannot be written keeps its entries.
void leave_flags(const Case& c, Expectation& all) {
  for (Expected& e : all) {
    model::Outcome& o = e.outcome;
    for (model::EntryAfter& entry : o.entries) {
      if (entry.slot == c.slot_a(c.stored_level)) entry.must = entry.may = 0;
    }
    if (o.rule == model::Rule::kAllowed) o.rule = o.cause = model::Rule::kReadOnlyTable;
  }
}

// KVM takes entries for not present where it has no memory; a bus that nobody drives reads as ones.
Expectation without_table(const Case& c, const model::Cpu& cpu, CaseMemory memory, const model::Controls& controls) {
  Expectation all;
  for (const std::uint64_t entry : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    memory.store(c.slot_a(c.stored_level), entry);
    for (Outcome& o : model::predict(memory, cpu, controls, access_of(c, 0))) {
      if (o.vector != model::kPageFault) continue;
      o.rule = o.cause = model::Rule::kNoTable;
      o.level = c.stored_level;
      all.push_back({std::move(o), 0});
    }
  }
  return all;
}

// What MOV to CR3 raises for a PDPTE with a reserved bit.
Expected no_pdptes() {
  Expected e;
  e.outcome.vector = model::kGeneralProtection;
  e.outcome.rule = e.outcome.cause = model::Rule::kPdpte;
  e.outcome.level = 3;
  return e;
}

}  // namespace

CaseMemory::CaseMemory(const Case& c) {
  for (unsigned level = 1; level <= c.root_level(); ++level) {
    if (level >= c.leaf_a) entries_[c.slot_a(level).raw()] = c.a[level];
    if (level >= c.leaf_b && (c.straddles() || c.both)) entries_[c.slot_b(level).raw()] = c.b[level];
  }
}

std::optional<std::uint64_t> CaseMemory::entry(Gpa slot, unsigned) const {
  const auto it = entries_.find(slot.raw());
  if (it == entries_.end()) return std::nullopt;
  return it->second;
}

void CaseMemory::store(Gpa slot, std::uint64_t value) { entries_[slot.raw()] = value; }

Expectation expect(const Case& c, const model::Cpu& cpu) {
  CaseMemory memory(c);
  model::Controls controls = c.controls;
  controls.root = kRoot;
  model::Tlb tlb(memory, cpu, controls);
  if (c.change) apply(*c.change, c, memory, tlb);
  Expectation all;
  const Form& form = c.instruction();
  if (controls.paging == model::Paging::kPae) {
    const auto registers = model::load_pdptes(memory, cpu, kRoot);
    if (!registers) return {no_pdptes()};
    controls.pdpte_registers = *registers;
  }
  if (form.touch_count == 0) return {Expected{}};
  if (c.storage == Storage::kAbsent) return without_table(c, cpu, memory, controls);
  Case with_root = c;
  with_root.controls = controls;
  for (Outcome& o : model::predict(tlb, cpu, controls, access_of(c, 0))) all.push_back({std::move(o), 0});
  if (form.repeated) add_second(with_root, cpu, tlb, all);
  if (c.storage == Storage::kReadOnly) leave_flags(c, all);
  return all;
}

model::Rule rule_of(const Expectation& expectation) {
  return expectation.empty() ? model::Rule::kAllowed : expectation.front().outcome.rule;
}

}  // namespace faultline::vmm::conform

#include "vmm/conform/second_opinion.hpp"

#include <fmt/format.h>

#include <cstring>

namespace faultline::vmm::conform {
namespace {

constexpr std::uint64_t kBytes = kTablesB.raw() + 6 * kPageSize;
constexpr std::uint64_t kA = 1U << 5, kD = 1U << 6;

mmu::Processor processor(const Case& c, const model::Cpu& cpu) {
  const model::Controls& k = c.controls;
  mmu::Processor p;
  p.mode = k.paging == model::Paging::kFiveLevel ? mmu::PagingMode::kFiveLevel : mmu::PagingMode::kFourLevel;
  p.paging = {cpu.physical_bits, k.nxe, cpu.huge_1g, cpu.top_global_reserved};
  p.protection = {k.wp, k.smep, k.smap, k.pke, k.pks, k.pkru, k.pkrs};
  return p;
}

}  // namespace

SecondOpinion::SecondOpinion(const model::Cpu& cpu, Translate translate)
    : cpu_(cpu), translate_(translate), frames_(kBytes / kPageSize) {}

std::uint64_t SecondOpinion::load(Gpa slot) const {
  std::uint64_t value = 0;
  std::memcpy(&value, frames_[slot.page().raw()].bytes.data() + slot.page_offset(), sizeof value);
  return value;
}
void SecondOpinion::store(Gpa slot, std::uint64_t value) {
  std::memcpy(frames_[slot.page().raw()].bytes.data() + slot.page_offset(), &value, sizeof value);
}

SecondOpinion::Result SecondOpinion::page(const mmu::Processor& cpu, const Case& c, model::Kind kind, Gva at,
                                          bool stack) {
  mmu::ProcessorAccess access;
  access.user = c.user;
  access.ac = c.ac;
  access.kind = kind == model::Kind::kFetch  ? mmu::AccessKind::kFetch
                : kind == model::Kind::kRead ? mmu::AccessKind::kRead
                                             : mmu::AccessKind::kWrite;
  const mmu::PhysMemory memory({frames_.front().bytes.data(), kBytes});
  const mmu::Translated t = translate_(memory, kRoot.page(), cpu, at, access);
  Result r;
  if (t.walk.end == mmu::WalkEnd::kNonCanonical) {
    r.vector = stack && kind != model::Kind::kFetch ? model::kStackFault : model::kGeneralProtection;
  } else if (t.walk.end == mmu::WalkEnd::kOutsideMemory) {
    r.vector = 0xfe;
  } else if (t.fault) {
    r.vector = model::kPageFault;
    r.error = t.fault->raw();
    r.cr2 = at;
  } else {
    r.physical.push_back(t.walk.physical());
  }
  return r;
}

SecondOpinion::Result SecondOpinion::access(const Case& c, const mmu::Processor& cpu, unsigned touch) {
  const Touch& t = c.instruction().touches[touch];
  const Gva first = c.address() + t.offset;
  const Gva last = first + (c.touch_bytes(touch) - 1);
  Result r = page(cpu, c, t.kind, first, c.instruction().stack());
  if (r.vector != model::kNoFault || last.page() == first.page()) return r;
  Result second = page(cpu, c, t.kind, last.page_base(), c.instruction().stack());
  if (second.vector == model::kNoFault) second.physical.insert(second.physical.begin(), r.physical.front());
  return second;
}

bool SecondOpinion::entries_match(const Case& c, const Expected& e) const {
  const auto matches = [&](Gpa slot, std::uint64_t before) {
    std::uint64_t must = 0, may = 0;
    for (const model::EntryAfter& entry : e.outcome.entries) {
      if (entry.slot == slot) must |= entry.must, may |= entry.may;
    }
    const std::uint64_t now = load(slot);
    return ((before | must) & ~now) == 0 && (now & ~(before | must | may)) == 0 && ((now ^ before) & ~(kA | kD)) == 0;
  };
  for (unsigned level = 1; level <= c.root_level(); ++level) {
    if (level >= c.leaf_a && !matches(c.slot_a(level), c.a[level])) return false;
    if (level >= c.leaf_b && c.straddles() && !matches(c.slot_b(level), c.b[level])) return false;
  }
  return true;
}

std::optional<std::string> SecondOpinion::disagreement(const Case& c, const Expectation& expectation) {
  if (c.change || !model::long_mode(c.controls.paging) || c.instruction().touch_count == 0) return std::nullopt;
  for (unsigned level = 1; level <= c.root_level(); ++level) {
    if (level >= c.leaf_a) store(c.slot_a(level), c.a[level]);
    if (level >= c.leaf_b && c.straddles()) store(c.slot_b(level), c.b[level]);
  }
  const mmu::Processor cpu = processor(c, cpu_);
  unsigned done = 0;
  Result r = access(c, cpu, 0);
  if (c.instruction().repeated && r.vector == model::kNoFault) r = access(c, cpu, ++done);
  for (const Expected& e : expectation) {
    const model::Outcome& o = e.outcome;
    if (o.vector != r.vector || e.touches_done != done) continue;
    if (o.vector == model::kPageFault && (o.error != r.error || o.cr2 != r.cr2)) continue;
    bool same = o.vector != model::kNoFault || o.pages.size() == r.physical.size();
    for (std::size_t i = 0; same && o.vector == model::kNoFault && i < r.physical.size(); ++i) {
      same = o.pages[i].physical == r.physical[i].page_base();
    }
    if (same && entries_match(c, e)) return std::nullopt;
  }
  return fmt::format("mmu: vector {} error {:#x} CR2 {:#x}; model: {}", r.vector, r.error, r.cr2.raw(),
                     expectation.empty() ? "undefined" : describe(expectation.front()));
}

}  // namespace faultline::vmm::conform

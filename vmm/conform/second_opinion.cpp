#include "vmm/conform/second_opinion.hpp"

#include <fmt/format.h>

#include <cstring>

#include "mmu/arch/pte.hpp"

namespace faultline::vmm::conform {
namespace {

constexpr std::uint64_t kBytes = kTablesB.raw() + 6 * kPageSize;
using mmu::Pte;

}  // namespace

SecondOpinion::SecondOpinion(const model::Cpu& cpu, Walker walker)
    : cpu_(cpu), walker_(walker), frames_(kBytes / kPageSize) {}

std::uint64_t SecondOpinion::load(Gpa slot, unsigned bytes) const {
  std::uint64_t value = 0;
  std::memcpy(&value, frames_[slot.page().raw()].bytes.data() + slot.page_offset(), bytes);
  return value;
}
void SecondOpinion::store(Gpa slot, std::uint64_t value, unsigned bytes) {
  std::memcpy(frames_[slot.page().raw()].bytes.data() + slot.page_offset(), &value, bytes);
}

void SecondOpinion::put_tables(const Case& c) {
  const unsigned bytes = model::entry_bytes(c.controls.paging);
  if (c.controls.paging == model::Paging::kPae) {  // MOV to CR3 reads all four
    for (unsigned i = 0; i < 4; ++i) store(kRoot + i * bytes, 0, bytes);
  }
  for (unsigned level = 1; level <= c.root_level(); ++level) {
    if (level >= c.leaf_a && !c.out_of_ram(level)) store(c.slot_a(level), c.a[level], bytes);
    if (level >= c.leaf_b && (c.straddles() || c.both)) store(c.slot_b(level), c.b[level], bytes);
  }
}

SecondOpinion::Result SecondOpinion::page(const Case& c, model::Kind kind, Gva at) {
  WalkerQuestion q;
  q.memory = {frames_.front().bytes.data(), kBytes};
  q.root = kRoot.page();
  q.cpu = cpu_;
  q.controls = c.controls;
  q.address = at;
  q.kind = kind;
  q.user = c.user;
  q.ac = c.ac;
  q.implicit = c.instruction().implicit();
  q.stack = c.instruction().stack();
  const WalkerAnswer answer = walker_(q);
  Result r{answer.vector, answer.error, answer.vector == model::kPageFault ? at : Gva(), {}};
  if (r.vector == model::kNoFault) r.physical.push_back(answer.physical);
  return r;
}

SecondOpinion::Result SecondOpinion::access(const Case& c, unsigned touch) {
  const Touch& t = c.instruction().touches[touch];
  const Gva first = c.address() + t.offset;
  const Gva last = first + (c.touch_bytes(touch) - 1);
  Result r = page(c, t.kind, first);
  if (r.vector != model::kNoFault || last.page() == first.page()) return r;
  Result second = page(c, t.kind, last.page_base());
  if (second.vector == model::kNoFault) second.physical.insert(second.physical.begin(), r.physical.front());
  return second;
}

bool SecondOpinion::entries_match(const Case& c, const Expected& e) const {
  const auto matches = [&](Gpa slot, std::uint64_t before) {
    std::uint64_t must = 0, may = 0;
    for (const model::EntryAfter& entry : e.outcome.entries) {
      if (entry.slot == slot) must |= entry.must, may |= entry.may;
    }
    const std::uint64_t now = load(slot, model::entry_bytes(c.controls.paging));
    return ((before | must) & ~now) == 0 && (now & ~(before | must | may)) == 0 &&
           ((now ^ before) & ~(Pte::kAccessed | Pte::kDirty)) == 0;
  };
  for (unsigned level = 1; level <= c.root_level(); ++level) {
    if (level >= c.leaf_a && !matches(c.slot_a(level), c.a[level])) return false;
    if (level >= c.leaf_b && c.straddles() && !matches(c.slot_b(level), c.b[level])) return false;
  }
  return true;
}

// PAE: MOV to CR3 itself, which reads the PDPTEs.
std::optional<std::string> SecondOpinion::load_of_cr3(const Case& c, const Expectation& expectation) {
  if (c.controls.paging != model::Paging::kPae || expectation.empty()) return std::nullopt;
  put_tables(c);
  const bool refused = page(c, model::Kind::kRead, c.address()).vector == model::kGeneralProtection;
  if (refused == (expectation.front().outcome.vector == model::kGeneralProtection)) return std::nullopt;
  return fmt::format("mmu: MOV to CR3 is {}; model: {}", refused ? "refused" : "done", describe(expectation.front()));
}

std::optional<std::string> SecondOpinion::disagreement(const Case& c, const Expectation& expectation) {
  if (c.change) return std::nullopt;
  if (c.instruction().touch_count == 0) return load_of_cr3(c, expectation);
  if (c.storage == Storage::kReadOnly) return std::nullopt;  // all of mmu's memory can be written
  put_tables(c);
  unsigned done = 0;
  Result r = access(c, 0);
  if (c.instruction().repeated && r.vector == model::kNoFault) r = access(c, ++done);
  if (c.storage == Storage::kAbsent && r.vector == kOutsideMemory) return std::nullopt;
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

// What the guest wrote down of a case, against what is allowed.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "mmu/arch/pte.hpp"
#include "mmu/arch/vector.hpp"
#include "vmm/conform/expectation.hpp"

namespace faultline::vmm::conform {
namespace {

using mmu::Pte;
using model::Outcome;

// Memory as the case leaves it, by byte.
class Operand {
 public:
  Operand(const Case& c, const Expected& e, const Observation& o) : c_(c), e_(e), o_(o) {}

  // The bytes that the instruction finds at its operand; nothing where they are not data.
  [[nodiscard]] std::optional<std::uint64_t> before(unsigned bytes) const {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) {
      const std::optional<Gpa> at = physical(i);
      if (!at || *at < kDataFirst || *at - kDataFirst >= kDataBytes) return std::nullopt;
      value |= byte_before(*at) << (8 * i);
    }
    return value;
  }

  // Word `index` of what was read back.
  [[nodiscard]] std::uint64_t word_after(unsigned index) const {
    const Gpa at = kPageA + (c_.offset & ~std::uint64_t{7}) + index * 8;
    std::uint64_t value = word_before(at);
    const auto [written, bytes] = store();
    for (unsigned i = 0; i < bytes; ++i) {
      const std::optional<Gpa> target = physical(i);
      if (!target || target->raw() / 8 != at.raw() / 8) continue;
      const unsigned shift = 8 * static_cast<unsigned>(target->raw() % 8);
      const std::uint64_t b = i < 16 ? (i < 8 ? written : high_) >> (8 * (i % 8)) & 0xff : 0;
      value = (value & ~(std::uint64_t{0xff} << shift)) | b << shift;
    }
    return value;
  }

 private:
  [[nodiscard]] std::uint64_t word_before(Gpa at) const {
    const bool placed = c_.instruction().implicit() && at == kPageA + c_.offset;
    return placed ? descriptor(c_.instruction()) : data_word(at);
  }
  [[nodiscard]] std::uint64_t byte_before(Gpa at) const {
    return word_before(Gpa(at.raw() & ~std::uint64_t{7})) >> (8 * (at.raw() % 8)) & 0xff;
  }

  [[nodiscard]] std::optional<Gpa> physical(unsigned byte) const {
    const std::uint64_t linear = c_.address().raw() + byte;
    const bool second = (linear ^ c_.address().raw()) >> kPageShift != 0;
    const auto& pages = e_.outcome.pages;
    // The pages of the outcome are those of the second element; both are in their usual places.
    if (e_.touches_done == 1) return kPageA + c_.offset + byte;
    const std::size_t index = second ? 1 : 0;
    if (index >= pages.size() || pages[index].end != model::End::kMapped) return std::nullopt;
    return pages[index].physical + (linear & kPageMask);
  }

  // The value and the number of bytes that the instruction stores.
  [[nodiscard]] std::pair<std::uint64_t, unsigned> store() const {
    const Form& form = c_.instruction();
    const bool faults = e_.outcome.vector != model::kNoFault;
    if (form.repeated && form.effect == Effect::kStoreTwice) {
      high_ = kRaxBefore;
      return {kRaxBefore, faults ? 8 * e_.touches_done : 16};
    }
    if (faults) return {0, 0};
    const unsigned bytes = form.touches[0].bytes;
    const std::uint64_t old = before(std::min(bytes, 8U)).value_or(0);
    switch (form.effect) {
      case Effect::kNone: return {0, 0};
      case Effect::kStore: return {kRaxBefore, bytes};
      case Effect::kStoreTwice: return {kRaxBefore, 16};
      case Effect::kStoreXmm: return {0, 16};
      case Effect::kStoreBuffer: return {kBufferWord, bytes};
      case Effect::kStoreNext: return {o_.placed.next.raw(), 8};
      case Effect::kAdd: return {old + kRaxBefore, bytes};
      case Effect::kIncrement: return {old + 1, bytes};
      case Effect::kSetBit4: return {old | 1U << 4, bytes};
      case Effect::kSetAccessed: return {old | kDescriptorAccessed, bytes};
    }
    return {0, 0};
  }

  const Case& c_;
  const Expected& e_;
  const Observation& o_;
  mutable std::uint64_t high_ = 0;
};

using mmu::vector::kInvalidOpcode;
constexpr std::uint64_t kRf = 1U << 16;

// What the observation says came of the access.
unsigned vector_of(const Case& c, const Observation& o) {
  if (o.vector == kWentOn) return model::kNoFault;
  const bool at_target = c.instruction().fetch() && o.rip == c.address().raw();
  if (o.vector == kInvalidOpcode && (at_target || (c.user && o.rip == o.placed.next.raw()))) return model::kNoFault;
  return static_cast<unsigned>(std::min<std::uint64_t>(o.vector, 0xfe));
}

std::string vector_text(unsigned vector) {
  switch (vector) {
    case model::kNoFault: return "no fault";
    case 6: return "#UD";
    case 8: return "#DF";
    case model::kStackFault: return "#SS";
    case model::kGeneralProtection: return "#GP";
    case model::kPageFault: return "#PF";
    default: return fmt::format("vector {}", vector);
  }
}

// By bits, so that all error codes with the same mistake are one finding: "error code without P".
std::string error_difference(std::uint64_t got, std::uint64_t want) {
  static constexpr std::array<std::string_view, 6> kBits = {"P", "W", "U", "RSVD", "I", "PK"};
  std::string text = "error code";
  const auto add = [&text](std::string_view word, std::uint64_t bits) {
    if (bits == 0) return;
    text += fmt::format(" {}", word);
    for (unsigned i = 0; i < kBits.size(); ++i) {
      if ((bits >> i & 1) != 0) text += fmt::format(" {}", kBits[i]);
    }
    if (bits >> kBits.size() != 0) text += " more";
  };
  add("without", want & ~got);
  add("with", got & ~want);
  return text;
}

class Comparison {
 public:
  Comparison(const Case& c, const Expected& e, const Observation& o) : c_(c), e_(e), o_(o) {}

  // The differences, most telling first; `weight`: how far the observation is from this end.
  std::vector<std::string> run() {
    const Outcome& want = e_.outcome;
    const unsigned vector = vector_of(c_, o_);
    if (vector != want.vector) {
      differ("{} instead of {}", vector_text(vector), vector_text(want.vector));
      weight += 100;
    } else if (vector != model::kNoFault) {
      fault();
    } else {
      registers_after();
    }
    entries();
    data();
    flags();  // last: where everything else is right
    return std::move(found_);
  }
  unsigned weight = 0;

 private:
  template <class... Args>
  void differ(fmt::format_string<Args...> format, Args&&... args) {
    found_.push_back(fmt::format(format, std::forward<Args>(args)...));
    ++weight;
  }
  void fault() {
    const Outcome& want = e_.outcome;
    if (o_.error != want.error) {
      found_.push_back(error_difference(o_.error, want.error));
      weight += 10 + static_cast<unsigned>(std::popcount(o_.error ^ want.error));
    }
    if (want.vector == model::kPageFault && o_.cr2 != want.cr2.raw()) {
      const auto distance = static_cast<std::int64_t>(o_.cr2 - want.cr2.raw());
      differ("CR2 off by {}", distance);
    }
    const bool fetch = c_.instruction().fetch();
    const std::uint64_t rip = fetch ? c_.address().raw() : o_.placed.instruction.raw();
    // A jump to a non-canonical address faults at the jump or at its target, by processor.
    const bool at_jump = fetch && want.rule == model::Rule::kCanonical && o_.rip == o_.placed.instruction.raw();
    if (o_.rip != rip && !at_jump) differ("RIP is not that of the instruction");
    if ((o_.cs & 3) != (c_.user ? 3 : 0)) differ("CS with the wrong privilege level");
    if (c_.instruction().repeated && o_.rcx != kRcxBefore - e_.touches_done)
      differ("RCX {} instead of {}", o_.rcx, kRcxBefore - e_.touches_done);
  }

  void registers_after() {
    const Form& form = c_.instruction();
    if (form.fetch() || form.touch_count == 0) return;
    std::uint64_t rax = form.implicit() ? kSelector : kRaxBefore;
    if (form.load_bytes != 0) {
      const auto value = Operand(c_, e_, o_).before(form.load_bytes);
      if (!value) return;
      const std::uint64_t mask = form.load_bytes == 8 ? 0 : ~std::uint64_t{0} << (8 * form.load_bytes);
      rax = form.load_bytes == 4 ? *value : (rax & mask) | *value;
    }
    const std::uint64_t width = model::long_mode(c_.controls.paging) ? ~0ULL : 0xffff'ffff;
    if (o_.rax != (rax & width)) differ("data read differs");
    if (form.repeated && o_.rcx != 0) differ("RCX {} instead of 0", o_.rcx);
  }

  // The image that the exception pushed. Arithmetic flags of supervisor code are left over.
  void flags() {
    if (o_.vector == kWentOn || o_.vector != e_.outcome.vector) return;
    const std::uint64_t flags = (c_.user ? kUserFlags : kSupervisorFlags) | (c_.ac ? kAcFlag : 0) | kRf;
    constexpr std::uint64_t kArithmetic = 0x8d5;
    const std::uint64_t difference = (o_.rflags ^ flags) & ~(c_.user ? 0 : kArithmetic);
    if (difference != 0) differ("RFLAGS differ in {:#x}", difference);
  }

  void entries() {
    for (unsigned level = 1; level <= c_.root_level(); ++level) {
      const bool nothing = c_.storage == Storage::kAbsent && c_.out_of_ram(level);
      if (level >= c_.leaf_a && !nothing) {
        const bool changed = c_.change && c_.change->level == level;
        entry(c_.slot_a(level), level, changed ? c_.change->value : c_.a[level], o_.entries[level - 1], "");
      }
      if (c_.second_page() && level >= c_.leaf_b)
        entry(c_.slot_b(level), level, c_.b[level], o_.entries[level + 4], " of the second page");
    }
  }

  void entry(Gpa slot, unsigned level, std::uint64_t now, std::uint64_t got, const char* where) {
    std::uint64_t must = 0, may = 0;
    for (const model::EntryAfter& e : e_.outcome.entries) {
      if (e.slot != slot) continue;
      if (e.before == now) {
        must |= e.must;
        may |= e.may;
      } else {
        may |= Pte::kAccessed | Pte::kDirty;  // used from a cache: the flags may be written to the entry that is there
      }
    }
    const std::uint64_t missing = (now | must) & ~got, extra = got & ~(now | must | may);
    const std::string_view entry = entry_name(level);
    if ((missing & (Pte::kAccessed | Pte::kDirty)) != 0)
      differ("{} of the {}{} not set", (missing & Pte::kAccessed) != 0 ? "A" : "D", entry, where);
    if ((extra & (Pte::kAccessed | Pte::kDirty)) != 0)
      differ("{} of the {}{} set without need", (extra & Pte::kAccessed) != 0 ? "A" : "D", entry, where);
    if (((missing | extra) & ~(Pte::kAccessed | Pte::kDirty)) != 0) differ("the {}{} changed otherwise", entry, where);
  }

  void data() {
    const Form& form = c_.instruction();
    if (form.touch_count == 0 || form.touches[0].kind == model::Kind::kRead || form.fetch()) return;
    const Operand operand(c_, e_, o_);
    for (unsigned i = 0; i < 3; ++i) {
      if (c_.offset + i * 8 >= kPageSize && !c_.straddles()) return;
      if (o_.data[i] == operand.word_after(i)) continue;
      differ("{}", e_.outcome.vector == model::kNoFault ? "data written differs" : "data written although it faults");
      return;
    }
  }

  const Case& c_;
  const Expected& e_;
  const Observation& o_;
  std::vector<std::string> found_;
};

}  // namespace

std::string_view entry_name(unsigned level) {
  static constexpr std::array<std::string_view, 6> kNames = {"", "PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
  return kNames.at(level);
}

std::optional<Difference> compare(const Case& c, const Expectation& expectation, const Observation& o) {
  if (!o.done) {
    const Expected& first = expectation.front();
    return Difference{o.death.empty() ? "the case did not come to its end" : "the vCPU died", describe(first), o.death,
                      first.outcome.cause, first.outcome.level};
  }
  std::optional<Difference> nearest;
  unsigned least = ~0U;
  for (const Expected& e : expectation) {
    Comparison comparison(c, e, o);
    const std::vector<std::string> found = comparison.run();
    if (found.empty()) return std::nullopt;
    if (comparison.weight >= least) continue;
    least = comparison.weight;
    nearest = Difference{found.front(), describe(e), describe(c, o), e.outcome.cause, e.outcome.level};
  }
  return nearest;
}

std::string describe(const Expected& e) {
  const Outcome& o = e.outcome;
  std::string text = vector_text(o.vector);
  if (o.vector == model::kPageFault) text += fmt::format(" {:#x}, CR2 {:#x}", o.error, o.cr2.raw());
  text += fmt::format(" ({}{}{})", model::name(o.rule), o.level != 0 ? ", " : "", entry_name(o.level));
  return text;
}

std::string describe(const Case& c, const Observation& o) {
  const unsigned vector = vector_of(c, o);
  std::string text = vector_text(vector);
  if (vector == model::kPageFault) text += fmt::format(" {:#x}, CR2 {:#x}", o.error, o.cr2);
  if (vector != model::kNoFault) text += fmt::format(", RIP {:#x}, RFLAGS {:#x}", o.rip, o.rflags);
  return text;
}

}  // namespace faultline::vmm::conform

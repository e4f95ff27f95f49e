#include "tests/model/predict.hpp"

namespace faultline::model {
namespace {

constexpr std::uint64_t kA = 1U << 5, kD = 1U << 6;

// The part of an access that lies in one page.
struct Part {
  Gva first;
};

enum class After : std::uint8_t {
  kDone,       // the access took place
  kFaulted,    // this page denied it
  kUndecided,  // another page did: whether this one was looked at is not defined
};

void add_entries(Outcome& outcome, const Translation& t, After after, bool write, bool read_first = false) {
  for (unsigned i = 0; i < t.count; ++i) {
    const Step& s = t.steps[i];
    if (s.slot == Gpa() && s.level == 3) continue;  // a PDPTE register of PAE paging: no flags
    const bool leaf = i + 1 == t.count;
    EntryAfter e{s.slot, s.level, s.entry, 0, 0};
    const std::uint64_t flags = leaf && write ? kA | kD : kA;
    switch (after) {
      case After::kDone: e.must = flags; break;
      // A read-modify-write may have read before its write was denied.
      case After::kFaulted: e.may = leaf && !read_first ? 0 : kA; break;
      case After::kUndecided: e.may = leaf && t.end != End::kMapped ? 0 : flags; break;
    }
    outcome.entries.push_back(e);
  }
}

class Predictor {
 public:
  Predictor(const Memory& memory, const Cpu& cpu, const Controls& controls, const Access& access)
      : memory_(memory), cpu_(cpu), c_(controls), a_(access) {
    parts_.push_back({a_.address});
    const std::uint64_t last = a_.address.raw() + (a_.bytes == 0 ? 0 : a_.bytes - 1);
    if ((last & ~kPageMask) != (a_.address.raw() & ~kPageMask)) parts_.push_back({Gva(last & ~kPageMask)});
  }

  Answer run() {
    std::vector<std::vector<Translation>> ways;
    bool all_canonical = true;
    for (const Part& part : parts_) {
      if (!canonical(c_.paging, part.first)) {
        all_canonical = false;
        ways.push_back({});
        continue;
      }
      const std::uint64_t linear = long_mode(c_.paging) ? part.first.raw() : part.first.raw() & 0xffff'ffff;
      ways.push_back(translations(memory_, cpu_, c_, Gva(linear)));
      for (const Translation& t : ways.back()) {
        if (t.end == End::kNoMemory) return {};
      }
    }
    if (!all_canonical) add_canonical(ways);
    if (ways.size() == 1) {
      for (const Translation& t : ways[0]) combine({&t});
    } else {
      for (const Translation& first : ways[0]) {
        for (const Translation& second : ways[1]) combine({&first, &second});
        // Only one half is canonical: a fault in that half may be seen first.
        if (ways[1].empty()) combine({&first});
      }
    }
    return std::move(answer_);
  }

 private:
  // #GP or #SS comes with an error code of zero; CR2 stays as it was.
  void add_canonical(const std::vector<std::vector<Translation>>& ways) {
    Outcome o;
    o.vector = a_.stack && a_.kind != Kind::kFetch ? kStackFault : kGeneralProtection;
    o.rule = o.cause = Rule::kCanonical;
    for (const auto& way : ways) {
      if (way.empty()) continue;
      o.pages.push_back(way.front());
      add_entries(o, way.front(), After::kUndecided, a_.writes());
    }
    answer_.push_back(std::move(o));
  }

  void combine(const std::vector<const Translation*>& pages) {
    const bool halved = pages.size() < parts_.size();
    bool faults = false;
    for (std::size_t i = 0; i < pages.size(); ++i) faults |= add_faults(pages, i);
    if (faults || halved) return;
    Outcome o;
    for (const Translation* t : pages) {
      o.pages.push_back(*t);
      add_entries(o, *t, After::kDone, a_.writes());
    }
    answer_.push_back(std::move(o));
  }

  // The faults that page `i` may raise. A read-modify-write may fault as the read that it is, or
  // ask for the right to write from the start.
  bool add_faults(const std::vector<const Translation*>& pages, std::size_t i) {
    bool any = false;
    const auto as = [&](Kind kind) {
      const std::optional<Denial> d = denial(cpu_, c_, *pages[i], a_, kind);
      if (!d) return;
      any = true;
      const bool read_allowed = a_.kind == Kind::kReadWrite && !denial(cpu_, c_, *pages[i], a_, Kind::kRead);
      Outcome o;
      o.vector = kPageFault;
      o.error = d->error;
      o.cr2 = parts_[i].first;
      o.cause = d->rule;
      o.rule = i == 0 ? d->rule : Rule::kStraddle;
      o.level = d->level;
      for (std::size_t k = 0; k < pages.size(); ++k) {
        o.pages.push_back(*pages[k]);
        add_entries(o, *pages[k], k == i ? After::kFaulted : After::kUndecided, a_.writes(), read_allowed);
      }
      answer_.push_back(std::move(o));
    };
    if (a_.kind != Kind::kReadWrite) {
      as(a_.kind);
    } else {
      as(Kind::kWrite);
      as(Kind::kRead);
    }
    return any;
  }

  const Memory& memory_;
  const Cpu& cpu_;
  const Controls& c_;
  const Access& a_;
  std::vector<Part> parts_;
  Answer answer_;
};

}  // namespace

Answer predict(const Memory& memory, const Cpu& cpu, const Controls& controls, const Access& access) {
  return Predictor(memory, cpu, controls, access).run();
}

}  // namespace faultline::model

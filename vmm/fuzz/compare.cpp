#include <fmt/format.h>

#include <algorithm>

#include "vmm/fuzz/trace.hpp"
#include "vmm/fuzz/words.hpp"

namespace faultline::vmm::fuzz {

namespace {

// Where a comparison writes what it found: the place is set before, the rest by differ().
class Comparison {
 public:
  Comparison(const Program& program, const Trace& a, const Trace& b)
      : program_(program), a_(a), b_(b), common_(a.fields & b.fields) {}

  std::optional<Disagreement> run() {
    if (invariants(a_) || invariants(b_) || steps()) return found_;
    if (a_.complete(program_) && b_.complete(program_) && !ended_) end_state();
    return found_;
  }

 private:
  [[nodiscard]] bool both_know(Field field) const { return (common_ & field) != 0; }

  bool differ(std::size_t step, std::string_view field, std::string first, std::string second) {
    found_ = Disagreement{a_.judge, b_.judge, step, std::string(field), std::move(first), std::move(second)};
    return true;
  }

  bool invariants(const Trace& trace) {
    if (trace.broken.empty()) return false;
    const std::size_t step =
        trace.complete(program_) || trace.steps.empty() ? program_.operations.size() : trace.steps.size() - 1;
    found_ = Disagreement{trace.judge, "invariants", step, "invariants", trace.broken.front(), "holds"};
    return true;
  }

  bool steps() {
    for (std::size_t i = 0; i < program_.operations.size(); ++i) {
      if (i >= a_.steps.size() || i >= b_.steps.size()) return missing(i);
      const StepResult& a = a_.steps[i];
      const StepResult& b = b_.steps[i];
      if (a.end == StepEnd::kNotJudged || b.end == StepEnd::kNotJudged) {
        ended_ = true;
        return false;
      }
      if (step(i, program_.operations[i].op, a, b)) return true;
      if (a.end == StepEnd::kKilled && b.end == StepEnd::kKilled) {
        ended_ = true;
        return false;
      }
    }
    return false;
  }

  // Somebody's trace ends early: no judge may do that unless it said so in its last step.
  bool missing(std::size_t i) {
    const auto word = [i](const Trace& t) { return i < t.steps.size() ? "a result" : "no result"; };
    return differ(i, "outcome", word(a_), word(b_));
  }

  bool step(std::size_t i, Op op, const StepResult& a, const StepResult& b) {
    if (both_know(kOutcomeField)) {
      const bool results = row(op).op_class != OpClass::kAccess && a.end == StepEnd::kDone && a.result != b.result;
      if (a.end != b.end || results) return differ(i, "outcome", ending(op, a, a_), ending(op, b, b_));
    }
    if (a.end == StepEnd::kSignal && b.end == StepEnd::kSignal && signals(i, a, b)) return true;
    if (both_know(kBytesField) && (a.byte_count != b.byte_count || a.bytes != b.bytes))
      return differ(i, "bytes", bytes_words(a), bytes_words(b));
    if (both_know(kFaultsField) && a.faults != b.faults)
      return differ(i, "faults", faults_words(a.faults), faults_words(b.faults));
    if (both_know(kCountsField) && (a.minor != b.minor || a.major != b.major))
      return differ(i, "counts", counts_words(a), counts_words(b));
    return false;
  }

  static std::string ending(Op op, const StepResult& s, const Trace& t) {
    if (s.end != StepEnd::kSignal) return outcome_words(op, s);
    return (t.fields & kSignalField) != 0 ? signal_and_address_words(s) : "a signal";
  }

  bool signals(std::size_t i, const StepResult& a, const StepResult& b) {
    if (both_know(kSignalField)) {
      if (a.signal != b.signal || a.code != b.code)
        return differ(i, "signal", signal_and_address_words(a), signal_and_address_words(b));
      if (a.address != b.address)
        return differ(i, "address", fmt::format("0x{:x}", a.address), fmt::format("0x{:x}", b.address));
    }
    if (both_know(kErrorField) && a.error != b.error)
      return differ(i, "error", error_words(a.error), error_words(b.error));
    return false;
  }

  void end_state() {
    const std::size_t end = program_.operations.size();
    for (std::size_t i = 0; i < std::max(a_.processes.size(), b_.processes.size()); ++i) {
      if (i >= a_.processes.size() || i >= b_.processes.size() || a_.processes[i].number != b_.processes[i].number) {
        differ(end, "processes", process_number(a_, i), process_number(b_, i));
        return;
      }
      if (process(a_.processes[i], b_.processes[i])) return;
    }
  }

  static std::string process_number(const Trace& t, std::size_t i) {
    return i < t.processes.size() ? fmt::format("process {}", t.processes[i].number) : "none";
  }

  // The first place at which two sorted lists differ.
  template <class T, class Same, class Words>
  bool lists(const SeenProcess& p, std::string_view field, const std::vector<T>& a, const std::vector<T>& b, Same same,
             Words words) {
    const auto [x, y] = std::ranges::mismatch(a, b, same);
    if (x == a.end() && y == b.end()) return false;
    const auto say = [&](const std::vector<T>& list, auto at) {
      return fmt::format("process {}: {}", p.number, at == list.end() ? std::string("none") : words(*at));
    };
    return differ(program_.operations.size(), field, say(a, x), say(b, y));
  }

  bool process(const SeenProcess& a, const SeenProcess& b) {
    const auto equal = [](const auto& x, const auto& y) { return x == y; };
    if (both_know(kVmasField) && lists(a, "vmas", a.vmas, b.vmas, equal, vma_words)) return true;
    if (both_know(kContentField) && lists(a, "content", a.content, b.content, equal, content_words)) return true;
    const auto same_page = [](const SeenPage& x, const SeenPage& y) {
      return x.address == y.address && x.present == y.present && x.file == y.file;
    };
    const auto plain = [](const SeenPage& p) { return page_words(p, false); };
    const auto marked = [](const SeenPage& p) { return page_words(p, true); };
    if (both_know(kPagesField) && lists(a, "pages", a.pages, b.pages, same_page, plain)) return true;
    return both_know(kAccessedDirtyField) && lists(a, "accessed-dirty", a.pages, b.pages, equal, marked);
  }

  const Program& program_;
  const Trace& a_;
  const Trace& b_;
  const std::uint16_t common_;
  bool ended_ = false;
  std::optional<Disagreement> found_;
};

}  // namespace

std::optional<Disagreement> compare(const Program& program, const Trace& a, const Trace& b) {
  return Comparison(program, a, b).run();
}

}  // namespace faultline::vmm::fuzz

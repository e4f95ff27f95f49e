#include "vmm/conform/conformance.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <map>

#include "vmm/conform/runner.hpp"
#include "vmm/conform/second_opinion.hpp"
#include "vmm/conform/third_opinion.hpp"

namespace faultline::vmm::conform {
namespace {

constexpr std::size_t kShown = 5;
constexpr unsigned kTranslations = 2000;
// Cases that are put into an order with few changes of control registers, together.
constexpr std::size_t kChunk = 32768;
// Each case that never comes back costs seconds: after so many of a kind the others of the kind are not run.
constexpr unsigned kMostHangs = 8;

std::string_view section_name(const std::vector<Section>& matrix, unsigned id) {
  const auto it = std::ranges::find(matrix, id, &Section::id);
  return it == matrix.end() ? "" : it->name;
}

std::string kernel_version() {
  utsname u{};
  ::uname(&u);
  return fmt::format("{} {}", u.sysname, u.release);
}

// What must be written to registers to go from one case to the next, as a number to sort by.
std::uint64_t control_key(const Case& c) {
  const ControlValues v = control_values(c);
  return (v.efer >> 11 & 1) << 63 | (v.cr4 & 0x7ff'ffff) << 33 | (v.cr0 >> 16 & 1) << 32 |
         std::uint64_t{v.pkru | v.pkrs};
}

class Run {
 public:
  Run(const model::Cpu& cpu, const Request& request)
      : request_(request), cpu_(cpu), matrix_(make_matrix(cpu)), mmu_(cpu), verdict_(request.baseline) {
    verdict_.seed = request.selection.seed;
  }

  // The cases to run; everything else is counted already.
  std::vector<Case> select(const Capabilities* capabilities) {
    std::vector<Case> chosen;
    Selection selection = request_.selection;
    if (capabilities != nullptr) selection.available = capabilities->features;
    for (Case& c : plan(matrix_, selection).cases) {
      const Expectation e = expect(c, cpu_);
      if (e.empty() || !wanted(c, e)) continue;
      compare_mmu(c, e);
      if (capabilities == nullptr) {
        verdict_.add_not_run(c, e, section_name(matrix_, c.section));
      } else if (const auto missing = capabilities->missing(c)) {
        verdict_.add_unsupported(c, e, section_name(matrix_, c.section), *missing);
      } else {
        chosen.push_back(std::move(c));
      }
    }
    return chosen;
  }

  Result<void> execute(const kvm::System& system, const Capabilities& capabilities, std::vector<Case> cases) {
    std::uint64_t done = 0;
    const std::uint64_t all = cases.size();
    for (const model::Paging paging : model::kPagingModes) {
      std::vector<Case> mine;
      std::ranges::copy_if(cases, std::back_inserter(mine),
                           [paging](const Case& c) { return c.controls.paging == paging; });
      if (mine.empty()) continue;
      Runner runner(system, capabilities.offered, paging);
      for (std::size_t at = 0; at < mine.size(); at += kChunk) {
        const std::span<Case> chunk = std::span(mine).subspan(at, std::min(kChunk, mine.size() - at));
        std::ranges::stable_sort(chunk, {}, control_key);
        const auto ran = run_chunk(runner, chunk, [&] {
          if (++done % Runner::kBatch == 0 && request_.progress) request_.progress(done, all);
        });
        if (!ran) return ran;
      }
      verdict_.in_guest += runner.time_in_guest();
      verdict_.deaths += runner.deaths();
    }
    if (request_.progress) request_.progress(all, all);
    for (const auto& [kind, count] : left_out_)
      verdict_.notes.push_back(fmt::format("{}: {} not run, as {} like them never came back", kind, count, kMostHangs));
    return {};
  }

  // A sample of the cases, and of the paging modes that have no guest code.
  Result<void> ask_translate(const kvm::System& system, const Capabilities& capabilities,
                             const std::vector<Case>& cases) {
    auto machine = Machine::create(system, capabilities.offered, model::Paging::kFourLevel);
    if (!machine) return tl::unexpected(machine.error());
    ThirdOpinion kvm(**machine, cpu_);
    const std::size_t step = std::max<std::size_t>(1, cases.size() / kTranslations);
    for (std::size_t i = 0; i < cases.size(); i += step) {
      const Case& c = cases[i];
      if (c.change || c.storage != Storage::kRam || c.region == Region::kNonCanonical ||
          !model::long_mode(c.controls.paging))
        continue;
      const auto what = kvm.disagreement(translation_of(c));
      if (!what) return tl::unexpected(what.error());
      verdict_.add_translation(*what);
    }
    if (!request_.rule.empty() || !request_.section.empty() || !request_.feature.empty()) return {};
    return ask_about_legacy(kvm);
  }

  Result<void> ask_about_legacy(ThirdOpinion& kvm) {
    std::vector<model::Paging> followed;
    for (const model::Paging paging : {model::Paging::kTwoLevel, model::Paging::kPae}) {
      const auto what = kvm.disagreement(plain_translation(paging));
      if (what && !*what) {
        followed.push_back(paging);
      } else {
        verdict_.notes.push_back(fmt::format("{} paging: {}", model::name(paging),
                                             what ? "KVM_TRANSLATE does not follow its tables" : what.error().message));
      }
    }
    for (const Translation& t : legacy_translations(cpu_, request_.selection.seed, kTranslations)) {
      if (std::ranges::find(followed, t.controls.paging) == followed.end()) continue;
      const auto what = kvm.disagreement(t);
      if (!what) return tl::unexpected(what.error());
      verdict_.add_translation(*what);
    }
    return {};
  }

  Verdict finish() { return std::move(verdict_); }
  Verdict& verdict() { return verdict_; }

 private:
  template <typename Step>
  Result<void> run_chunk(Runner& runner, std::span<Case> cases, const Step& step) {
    if (!hangs_.empty()) cases = leave_out_hopeless(cases, step);
    while (!cases.empty()) {
      bool hung = false;
      const auto dealt_with = runner.run_batch(cases, [&](const Case& c, const Observation& o) {
        const Expectation e = expect(c, cpu_);
        verdict_.add(c, e, section_name(matrix_, c.section), compare(c, e, o));
        if (o.hung) hung = true, ++hangs_[kind_of(c, e)];
        step();
      });
      if (!dealt_with) return tl::unexpected(dealt_with.error());
      cases = cases.subspan(*dealt_with);
      if (hung) cases = leave_out_hopeless(cases, step);
    }
    return {};
  }

  // What hangs for one reason: cases of a section under one rule, of user or of supervisor code.
  [[nodiscard]] std::string kind_of(const Case& c, const Expectation& e) const {
    return fmt::format("{}, {} under {}", section_name(matrix_, c.section), c.user ? "user code" : "supervisor code",
                       model::name(rule_of(e)));
  }

  // Counts the cases of kinds that hung too often as not run, and returns the others, in order.
  template <typename Step>
  std::span<Case> leave_out_hopeless(std::span<Case> cases, const Step& step) {
    const auto hopeless = std::ranges::stable_partition(cases, [&](const Case& c) {
      const auto hung = hangs_.find(kind_of(c, expect(c, cpu_)));
      return hung == hangs_.end() || hung->second < kMostHangs;
    });
    for (const Case& c : hopeless) {
      const Expectation e = expect(c, cpu_);
      verdict_.add_not_run(c, e, section_name(matrix_, c.section));
      ++left_out_[kind_of(c, e)];
      step();
    }
    return cases.first(cases.size() - hopeless.size());
  }

  [[nodiscard]] bool wanted(const Case& c, const Expectation& e) const {
    if (!request_.rule.empty() && model::name(rule_of(e)) != request_.rule) return false;
    if (!request_.section.empty() && section_name(matrix_, c.section) != request_.section) return false;
    if (request_.feature.empty()) return true;
    const auto feature = find_feature(request_.feature);
    return feature && c.needs.has(*feature);
  }

  void compare_mmu(const Case& c, const Expectation& e) {
    ++verdict_.mmu_compared;
    const auto difference = mmu_.disagreement(c, e);
    if (!difference) return;
    if (verdict_.mmu_disagreement_count++ < kShown)
      verdict_.mmu_disagreements.push_back(fmt::format("case {}: {}", c.number, *difference));
  }

  const Request& request_;
  const model::Cpu& cpu_;
  std::vector<Section> matrix_;
  SecondOpinion mmu_;
  Verdict verdict_;
  std::map<std::string, unsigned> hangs_, left_out_;  // by kind
};

}  // namespace

Result<Verdict> run_matrix(const kvm::System& system, const Capabilities& capabilities, const Request& request) {
  const auto start = std::chrono::steady_clock::now();
  Run run(capabilities.offered.cpu, request);
  run.verdict().backend = capabilities.backend;
  run.verdict().kvm = kernel_version();
  run.verdict().notes = capabilities.notes;
  std::vector<Case> cases = run.select(&capabilities);
  if (auto asked = run.ask_translate(system, capabilities, cases); !asked) return tl::unexpected(asked.error());
  if (auto done = run.execute(system, capabilities, std::move(cases)); !done) return tl::unexpected(done.error());
  run.verdict().wall = std::chrono::steady_clock::now() - start;
  return run.finish();
}

Verdict compare_walkers(const Request& request) {
  const auto start = std::chrono::steady_clock::now();
  const model::Cpu cpu{46, true, true, false};
  Run run(cpu, request);
  run.verdict().backend = "none";
  run.verdict().kvm = "not used";
  run.select(nullptr);
  run.verdict().wall = std::chrono::steady_clock::now() - start;
  return run.finish();
}

}  // namespace faultline::vmm::conform

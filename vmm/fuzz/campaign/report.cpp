#include "vmm/fuzz/campaign/report.hpp"

#include <algorithm>

#include "vmm/fuzz/finding/finding.hpp"
#include "vmm/fuzz/signature.hpp"
#include "vmm/fuzz/text.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace faultline::vmm::fuzz {

namespace {

// The trace whose way through the ladder tells findings apart: of a judge with page tables.
const Trace& telling(const std::vector<Trace>& traces) {
  static const Trace kNone;
  const auto has_features = [](const Trace& t) {
    return std::ranges::any_of(t.steps, [](const StepResult& s) { return !s.features.empty(); });
  };
  const auto found = std::ranges::find_if(traces, has_features);
  return found == traces.end() ? kNone : *found;
}

// None of a program that kills who judges it, or may.
std::vector<StepFault> faults_of(const Program& program, const Disagreement& what) {
  if (what.field == "crash" || what.field == "failed") return {};
  auto faults = fault_records(program);
  return faults ? std::move(*faults) : std::vector<StepFault>();
}

}  // namespace

std::uint64_t signature_hash(const std::string& signature) { return XXH3_64bits(signature.data(), signature.size()); }

void write_down(const JobContext& job, const Program& original, const Program& smallest, const Disagreement& what,
                const std::vector<Trace>& traces, const std::string& signature) {
  const TimeIn time(job.tally.sum(Count::kFilesNs));
  Finding finding;
  finding.program = original;
  finding.shrunk = smallest;
  finding.disagreement = what;
  finding.signature = signature;
  finding.seed = job.settings.seed;
  finding.version = job.settings.version;
  finding.kernel = system_name();
  finding.judges = job.judges;
  for (const std::string& judge : job.judges) {
    if (judge.starts_with("kvm") || judge.starts_with("hosted")) finding.backend = judge;
  }
  finding.traces = traces;
  finding.faults = faults_of(smallest, what);
  const auto written = write_finding(job.directory.findings(), finding);
  job.tally.add(Count::kFindings);
  if (!written) {  // not lost: the program is what it takes to find it again
    job.messages.text(Message::kNote, "a finding could not be written: " + written.error().message + ": " +
                                          summary(smallest, what) + "; its program:\n" + to_text(smallest));
    return;
  }
  job.messages.text(Message::kFinding, *written + "\n" + summary(smallest, what));
}

void Reporter::handle(const Program& program, const std::vector<std::optional<Opinion>>& opinions,
                      const std::vector<Suspicion>& suspicions) {
  std::vector<const Suspicion*> handled;
  for (const Suspicion& s : suspicions) {
    const auto covers = [&s](const Suspicion* other) {
      const bool shared_judge = other->a == s.a || other->a == s.b || other->b == s.a || other->b == s.b;
      return shared_judge && other->what.step == s.what.step && other->what.field == s.what.field;
    };
    if (std::ranges::none_of(handled, covers) && handle_one(program, opinions, s)) handled.push_back(&s);
  }
}

bool Reporter::handle_one(const Program& program, const std::vector<std::optional<Opinion>>& opinions,
                          const Suspicion& s) {
  std::vector<Trace> traces;
  for (const std::size_t judge : {s.a, s.b}) {
    if (opinions[judge] && opinions[judge]->trace) traces.push_back(*opinions[judge]->trace);
  }
  const std::string key = signature(program, s.what, telling(traces));
  if (!job_.shared.claim_signature(signature_hash(key))) {
    job_.tally.add(Count::kDuplicates);
    return true;
  }
  const bool recurs = examiner_.recurs(program, s);
  if (!recurs && (examiner_.with_host(s) || s.what.field == "failed")) {
    job_.tally.add(Count::kNoise);
    job_.shared.forget_signature(signature_hash(key));
    return false;
  }
  if (!recurs) {  // a machine judge that is of two minds is wrong once
    write_down(job_, program, program, s.what, traces, key);
    return true;
  }
  shrink_and_write(program, s, key);
  return true;
}

void Reporter::shrink_and_write(const Program& program, const Suspicion& s, const std::string& key) {
  const Program smallest = this->smallest(program, s);
  const auto what = examiner_.again(smallest, s);
  std::vector<Trace> traces;
  for (const std::size_t judge : {s.a, s.b}) {
    if (judge == s.b && s.a == s.b) break;
    Opinion opinion = panel_.ask(judge, smallest);
    if (opinion.trace) traces.push_back(std::move(*opinion.trace));
  }
  const std::string shrunk_key = signature(smallest, what ? *what : s.what, telling(traces));
  if (shrunk_key != key && !job_.shared.claim_signature(signature_hash(shrunk_key))) {
    job_.tally.add(Count::kDuplicates);
    return;
  }
  write_down(job_, program, smallest, what ? *what : s.what, traces, shrunk_key);
}

Program Reporter::smallest(const Program& program, const Suspicion& suspicion) {
  const TimeIn time(job_.tally.sum(Count::kShrinkNs));
  const auto still = [&](const Program& candidate) {
    if (job_.shared.stop.load(std::memory_order_relaxed)) return false;
    job_.running.set(candidate);
    // What the host says once may be noise.
    return examiner_.again(candidate, suspicion) &&
           (!examiner_.with_host(suspicion) || examiner_.again(candidate, suspicion));
  };
  return shrink(program, still, job_.settings.shrink);
}

}  // namespace faultline::vmm::fuzz

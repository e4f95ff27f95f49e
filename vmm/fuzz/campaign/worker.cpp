#include "vmm/fuzz/campaign/worker.hpp"

#include <algorithm>

#include "mmu/base/check.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/mutate.hpp"

namespace faultline::vmm::fuzz {

Worker::Worker(const JobContext& job, Judges judges, Start start)
    : job_(job),
      panel_(std::move(judges), job.tally, &job.running, Guests::kApart),
      examiner_(panel_, job.known, job.tally),
      reporter_(job, panel_, examiner_),
      start_(std::move(start)),
      random_(start_.seed) {}

bool Worker::stopped() const { return job_.shared.stop.load(std::memory_order_relaxed) || start_.time_is_up(); }

Result<void> Worker::run() {
  if (const auto taken = take_over(start_.recount); !taken) return taken;
  for (const Program& program : start_.first) {
    if (!usable(program) || stopped()) continue;
    if (const auto judged = judge({program, std::nullopt}); !judged) return judged;
  }
  while (!stopped()) {
    const std::uint64_t claimed = job_.shared.claimed.fetch_add(1);
    if (job_.settings.programs != 0 && claimed >= job_.settings.programs) break;
    if (std::chrono::steady_clock::now() - looked_ > job_.settings.look_every) {
      if (const auto taken = take_over(true); !taken) return taken;
      looked_ = std::chrono::steady_clock::now();
    }
    if (const auto judged = judge(next()); !judged) return judged;
  }
  finish(0);
  job_.running.clear();
  return {};
}

bool Worker::usable(const Program& program) const {
  const Means means = job_.settings.means;
  const auto beyond = [means](const Operation& o) {
    const OpClass of = row(o.op).op_class;
    return (of == OpClass::kRaw && !means.raw) || (of == OpClass::kFailure && !means.failures);
  };
  return std::ranges::none_of(program.operations, beyond) && !start_.banned.contains(program_name(program));
}

Result<void> Worker::take_over(bool meet) {
  auto entries = job_.directory.new_programs(CampaignDirectory::Damaged::kPassedOver);
  if (!entries) return tl::unexpected(entries.error());
  for (auto& entry : *entries) {
    if (stopped()) break;
    if (!usable(entry.program)) continue;
    std::size_t worth = 0;
    if (meet && panel_.observer() < panel_.size()) {
      job_.running.set(entry.program);
      const Opinion opinion = panel_.ask(panel_.observer(), entry.program);
      if (opinion.trace) worth = count_features(entry.program, *opinion.trace);
      job_.tally.add(Count::kTaken);
    }
    corpus_.add(std::move(entry.program), worth);
  }
  return {};
}

Program Worker::fresh_program() {
  GenerateOptions options;
  options.operations = 4 + static_cast<unsigned>(random_() % (2 * job_.settings.operations));
  options.operations = std::min<unsigned>(options.operations, kMaxOperations);
  // The host and the reference follow neither: most programs stay theirs.
  constexpr unsigned kRarely = 3;
  options.raw = job_.settings.means.raw && random_() % kRarely == 0;
  options.failures = job_.settings.means.failures && random_() % kRarely == 0;
  return generate(random_, options);
}

Worker::Candidate Worker::next() {
  const TimeIn time(job_.tally.sum(Count::kGenerateNs));
  constexpr unsigned kFreshPercent = 15, kCrossPercent = 20, kMostChanges = 4, kPercent = 100;
  const std::uint64_t dice = random_() % kPercent;
  if (corpus_.empty() || dice < kFreshPercent) return {fresh_program(), std::nullopt};
  const std::size_t parent = corpus_.pick(random_);
  Program program = corpus_.program(parent);
  if (dice < kFreshPercent + kCrossPercent)
    program = crossover(program, corpus_.program(corpus_.pick(random_)), random_);
  for (std::uint64_t changes = 1 + random_() % kMostChanges; changes > 0; --changes) mutate(program, random_);
  if (program.operations.empty()) return {fresh_program(), std::nullopt};
  return {std::move(program), parent};
}

std::size_t Worker::count_features(const Program& program, const Trace& trace) {
  std::vector<std::uint32_t> features;
  for (std::size_t i = 0; i < trace.steps.size(); ++i) {
    const StepResult& step = trace.steps[i];
    features.insert(features.end(), step.features.begin(), step.features.end());
    if (step.end != StepEnd::kNotJudged) features.push_back(call_feature(program.operations[i], step));
  }
  std::erase_if(features, [this](std::uint32_t f) { return start_.coverage.has(f); });
  const std::size_t fresh = start_.coverage.add(features);
  if (fresh != 0) job_.messages.features(features);
  return fresh;
}

Result<void> Worker::keep(const Program& program, std::size_t worth) {
  const TimeIn time(job_.tally.sum(Count::kFilesNs));
  const auto kept = job_.directory.keep(program);
  if (!kept) return tl::unexpected(kept.error());
  if (*kept) job_.tally.add(Count::kKept);
  corpus_.add(program, worth);
  return {};
}

// A guest must not run out of programs while a file is written here.
constexpr std::size_t kMostPending = 32;

Result<void> Worker::judge(Candidate candidate) {
  FL_CHECK(!illegal(candidate.program));
  if (candidate.program.operations.empty() || start_.banned.contains(program_name(candidate.program))) return {};
  Pending& pending = pending_.emplace_back(Pending{std::move(candidate), {}, {}, false});
  const Program& program = pending.candidate.program;
  std::vector<std::optional<Opinion>>& opinions = pending.opinions;
  pending.awaited = panel_.begin(program);
  job_.running.set(program);
  const bool turn = number_++ % job_.settings.host_share == 0;
  panel_.ask_here(program, turn, opinions);
  job_.tally.add(Count::kPrograms);
  job_.tally.add(Count::kSteps, program.operations.size());

  const std::size_t observer = panel_.observer();
  std::size_t fresh = 0;
  if (observer < opinions.size() && opinions[observer]->trace) {
    const Trace& trace = *opinions[observer]->trace;
    for (const StepResult& step : trace.steps) job_.tally.add(Count::kFaults, step.faults.size());
    fresh = count_features(program, trace);
  }
  if (fresh != 0) {
    if (const auto kept = keep(program, fresh); !kept) return kept;
    if (pending.candidate.parent) corpus_.reward(*pending.candidate.parent, fresh);
    panel_.ask_here(program, true, opinions);
  }
  pending.relate = fresh != 0 || number_ % job_.settings.relation_share == 0;
  finish(panel_.any_apart() ? kMostPending : 0);
  return {};
}

void Worker::finish(std::size_t most_left) {
  for (; pending_.size() > most_left; pending_.pop_front()) {
    Pending& done = pending_.front();
    {
      const TimeIn time(job_.tally.sum(Count::kWaitNs));
      for (std::size_t i = 0; i < done.awaited.size(); ++i)
        if (done.awaited[i].valid()) done.opinions[i] = done.awaited[i].get();
    }
    const Program& program = done.candidate.program;
    reporter_.handle(program, done.opinions, examiner_.examine(program, done.opinions));
    if (done.relate) relate(program, done.opinions);
  }
}

void Worker::relate(const Program& program, const std::vector<std::optional<Opinion>>& opinions) {
  const auto all = relations();
  const std::uint64_t turn = related_++;
  const std::size_t judge = turn % panel_.size();
  const Relation& relation = all[turn / panel_.size() % all.size()];
  if ((relation.judges & panel_.judge(judge).kind()) == 0 || !opinions[judge] || !opinions[judge]->trace) return;
  if (const auto suspicion = examiner_.relate(program, relation, judge, *opinions[judge]->trace))
    reporter_.handle(program, opinions, {*suspicion});
}

}  // namespace faultline::vmm::fuzz

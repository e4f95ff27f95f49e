#include "vmm/fuzz/campaign/campaign.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "vmm/fuzz/campaign/job.hpp"
#include "vmm/fuzz/campaign/signals.hpp"

namespace faultline::vmm::fuzz {

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

// The session of one parent.
class Session {
 public:
  Session(const CampaignSettings& settings, const JudgeMaker& make_judges, const KnownDeviations& known,
          Watcher& watcher, CampaignDirectory directory, SharedMemory shared)
      : settings_(settings),
        make_judges_(make_judges),
        known_(known),
        watcher_(watcher),
        directory_(std::move(directory)),
        shared_(std::move(shared)),
        coverage_(settings.means) {
    for (const Rule& rule : known.rules()) names_.rules.push_back(rule.id);
  }

  Result<CampaignEnd> run();

 private:
  // A job, and what its next process is to do first.
  struct Seat {
    Job job;
    std::optional<Death> died;
    unsigned starts = 0;
    bool over = false;
  };
  Result<void> begin();
  Result<void> start(Seat& seat, unsigned number);
  int work(unsigned number, const Seat& seat, RunningProgram& running, MessageWriter messages);
  void hear(Message kind, std::span<const std::byte> bytes);
  Result<void> look_after(Seat& seat, unsigned number);
  void ended(Seat& seat, const Job::End& end);
  void abandon();
  void load_signatures();
  Result<void> save(unsigned sessions);
  [[nodiscard]] bool time_is_up() const {
    return settings_.time.count() != 0 && Clock::now() - begun_ >= settings_.time;
  }
  [[nodiscard]] CampaignProgress snapshot() const;

  const CampaignSettings& settings_;
  const JudgeMaker& make_judges_;
  const KnownDeviations& known_;
  Watcher& watcher_;
  CampaignDirectory directory_;
  SharedMemory shared_;
  Coverage coverage_;
  FigureNames names_;
  std::vector<Seat> seats_;
  std::vector<Program> left_over_;
  std::set<std::string> banned_;
  std::string fatal_, campaign_json_;
  bool recount_ = false, abandoned_ = false;
  unsigned earlier_sessions_ = 0;
  std::size_t corpus_files_ = 0;
  Figures saved_;
  Clock::time_point begun_ = Clock::now(), saved_at_ = begun_;
};

// Numbers of their own for each job, each session and each start, from one seed.
std::uint64_t seed_of(std::uint64_t seed, unsigned session, unsigned job, unsigned start) {
  std::seed_seq mix{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32), session, job, start};
  std::array<std::uint32_t, 2> words{};
  mix.generate(words.begin(), words.end());
  return static_cast<std::uint64_t>(words[0]) << 32 | words[1];
}

void Session::load_signatures() {
  // A finding's folder is named by its signature.
  const auto names = list_folder(directory_.findings());
  for (const std::string& name : names ? *names : std::vector<std::string>())
    shared_->claim_signature(signature_hash(name));
}

Result<void> Session::begin() {
  const auto state = directory_.update(settings_.means, [&](CampaignDirectory::State& s) {
    earlier_sessions_ = sessions_of(s.statistics);
    return Result<void>();
  });
  if (!state) return tl::unexpected(state.error());
  coverage_ = state->coverage;
  recount_ = !state->counted;
  left_over_ = directory_.take_left_over();
  load_signatures();
  if (const auto saved = save(1); !saved) return saved;
  shared_->job_count = settings_.jobs;
  for (unsigned i = 0; i < settings_.jobs; ++i) {
    auto job = Job::create(directory_, i);
    if (!job) return tl::unexpected(job.error());
    seats_.push_back({std::move(*job), std::nullopt, 0, false});
  }
  for (unsigned i = 0; i < settings_.jobs; ++i) {
    if (const auto started = start(seats_[i], i); !started) return started;
  }
  return {};
}

Result<void> Session::start(Seat& seat, unsigned number) {
  const auto started = seat.job.start(
      [&](RunningProgram& running, MessageWriter messages) { return work(number, seat, running, messages); });
  seat.died.reset();
  ++seat.starts;
  return started;
}

// In the job's process.
int Session::work(unsigned number, const Seat& seat, RunningProgram& running, MessageWriter messages) {
  constexpr int kCannotGoOn = 3;
  JobContext job{settings_, known_, directory_, *shared_, shared_->tallies[number], running, messages, names_.judges};
  if (seat.died) report_death(job, make_judges_, *seat.died);
  auto judges = make_judges_();
  if (!judges) {
    messages.text(Message::kFatal, judges.error().message);
    return kCannotGoOn;
  }
  std::string names;
  job.judges.clear();
  for (const auto& judge : *judges) {
    job.judges.emplace_back(judge->name());
    names += job.judges.back() + "\n";
  }
  messages.text(Message::kJudges, names);
  Start start{
      seed_of(settings_.seed, earlier_sessions_, number, seat.starts), coverage_, recount_, {}, banned_, [this] {
        return time_is_up();
      }};
  if (number == 0 && seat.starts == 0) start.first = left_over_;
  auto done = Worker(job, std::move(*judges), std::move(start)).run();
  if (done) done = directory_.finish();
  if (!done) messages.text(Message::kFatal, done.error().message);
  return done ? 0 : kCannotGoOn;
}

void Session::hear(Message kind, std::span<const std::byte> bytes) {
  const std::string text(as_text(bytes));
  switch (kind) {
    case Message::kFeatures: {
      std::vector<std::uint32_t> features(bytes.size() / sizeof(std::uint32_t));
      std::memcpy(features.data(), bytes.data(), features.size() * sizeof(std::uint32_t));
      coverage_.add(features);
      break;
    }
    case Message::kFinding: watcher_.finding(text.substr(0, text.find('\n')), text.substr(text.find('\n') + 1)); break;
    case Message::kNote: watcher_.note(text); break;
    case Message::kFatal:
      if (fatal_.empty()) fatal_ = text;
      shared_->stop = true;
      break;
    case Message::kJudges:
      names_.judges.clear();
      for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
        names_.judges.push_back(text.substr(at, text.find('\n', at) - at));
      break;
  }
}

void Session::abandon() {
  abandoned_ = true;
  for (const Seat& seat : seats_) seat.job.kill();
}

void Session::ended(Seat& seat, const Job::End& end) {
  const bool fine =
      abandoned_ || (WIFEXITED(end.wait_status) && (WEXITSTATUS(end.wait_status) == 0 || !fatal_.empty()));
  if (fine) {
    seat.over = true;
    return;
  }
  auto& tally = shared_->tallies[static_cast<std::size_t>(&seat - seats_.data())];
  tally.add(Count::kCrashes);
  seat.died = seat.job.death(end);
  if (seat.died) {
    for (const auto& suspect : seat.died->suspects) banned_.insert(program_name(suspect.program));
    watcher_.note("a job died and is started again: " + seat.died->how);
  } else {
    watcher_.note("a job died outside of any program: " + describe_death(end.wait_status, seat.job.said(), end.hung));
  }
}

Result<void> Session::look_after(Seat& seat, unsigned number) {
  seat.job.drain([this](Message kind, std::span<const std::byte> bytes) { hear(kind, bytes); });
  if (seat.over || !seat.job.alive()) return {};
  const auto end = seat.job.poll(settings_.hang);
  if (!end) return {};
  seat.job.drain([this](Message kind, std::span<const std::byte> bytes) { hear(kind, bytes); });
  ended(seat, *end);
  if (seat.over) return {};
  // What it died of is written down even when the time is up; without a program only while there is some.
  constexpr unsigned kMostStarts = 1000;
  const bool stopping = shared_->stop || time_is_up();
  if ((stopping && !seat.died) || seat.starts >= kMostStarts) {
    seat.over = true;
    return {};
  }
  return start(seat, number);
}

CampaignProgress Session::snapshot() const {
  CampaignProgress s;
  s.seconds = seconds_since(begun_);
  for (unsigned i = 0; i < settings_.jobs; ++i) shared_->tallies[i].add_to(s.session);
  s.names = names_;
  s.coverage = coverage_.share();
  s.corpus = corpus_files_ + (s.session - saved_)[Count::kKept];
  s.findings = directory_.count_findings();
  s.started = settings_.jobs;
  s.jobs = static_cast<unsigned>(std::ranges::count_if(seats_, [](const Seat& seat) { return seat.job.alive(); }));
  return s;
}

Result<void> Session::save(unsigned sessions) {
  const CampaignProgress now = snapshot();
  const double seconds = sessions == 0 ? seconds_since(saved_at_) : 0;
  const auto state = directory_.update(settings_.means, [&](CampaignDirectory::State& s) -> Result<void> {
    s.coverage.merge(coverage_);
    auto text = add_statistics(s.statistics, directory_.path() + "/stats.json", now.session - saved_, names_, seconds,
                               sessions, s.coverage);
    if (!text) return tl::unexpected(text.error());
    s.statistics = std::move(*text);
    return {};
  });
  if (!state) return tl::unexpected(state.error());
  coverage_ = state->coverage;
  campaign_json_ = state->statistics;
  saved_ = now.session;
  saved_at_ = Clock::now();
  const auto files = list_folder(directory_.corpus());
  corpus_files_ = files ? files->size() : 0;
  return {};
}

Result<CampaignEnd> Session::run() {
  StopSignals signals;
  if (const auto begun = begin(); !begun) return tl::unexpected(begun.error());
  constexpr std::chrono::milliseconds kTick{200}, kFirstTick{20};
  unsigned stops = 0;
  for (bool first = true; std::ranges::any_of(seats_, [](const Seat& s) { return !s.over; }); first = false) {
    const unsigned came = signals.wait(first ? kFirstTick : kTick);
    if (came != 0) shared_->stop = true;
    if (came > 1 && stops <= 1) abandon();
    stops = came;
    for (unsigned i = 0; i < settings_.jobs; ++i) {
      if (const auto looked = look_after(seats_[i], i); !looked) return tl::unexpected(looked.error());
    }
    watcher_.progress(snapshot());
    if (Clock::now() - saved_at_ > settings_.save_every) {
      if (const auto saved = save(0); !saved) return tl::unexpected(saved.error());
    }
  }
  CampaignEnd end;
  if (const auto saved = save(0); !saved) return tl::unexpected(saved.error());
  end.last = snapshot();
  if (!fatal_.empty()) return fail(fatal_);
  const auto session = add_statistics({}, "", end.last.session, names_, end.last.seconds, 1, coverage_);
  end.session_json = *session;
  end.campaign_json = campaign_json_;
  end.interrupted = stops != 0;
  return end;
}

}  // namespace

double CampaignProgress::in_guest() const {
  const double all = seconds * 1e9 * started;
  return all == 0 ? 0 : 100.0 * static_cast<double>(session[Count::kGuestNs]) / all;
}

Result<CampaignEnd> run_campaign(const CampaignSettings& settings, const JudgeMaker& make_judges,
                                 const KnownDeviations& known, Watcher& watcher) {
  if (settings.jobs == 0 || settings.jobs > kMaxJobs) return fail(fmt::format("a campaign has 1 to {} jobs", kMaxJobs));
  auto directory = CampaignDirectory::open(settings.directory);
  if (!directory) return tl::unexpected(directory.error());
  auto shared = SharedMemory::create();
  if (!shared) return tl::unexpected(shared.error());
  return Session(settings, make_judges, known, watcher, std::move(*directory), std::move(*shared)).run();
}

}  // namespace faultline::vmm::fuzz

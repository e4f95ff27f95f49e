// Campaigns with judges that a test made up: what is wrong is known then.
#include "vmm/fuzz/campaign/campaign.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/fuzz/fake_judge.hpp"
#include "tests/support/scratch_folder.hpp"
#include "vmm/fuzz/binary.hpp"
#include "vmm/fuzz/campaign/directory.hpp"
#include "vmm/fuzz/finding/finding.hpp"

namespace faultline::vmm::fuzz {
namespace {

using test::ScratchFolder;
using testing::HasSubstr;

// The mistake: a sync behind a lock returns something else.
Trace mistaken(const Program& program) {
  Trace trace = all_met(program);
  bool locked = false;
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    locked = locked || program.operations[i].op == Op::kLock;
    if (locked && program.operations[i].op == Op::kSync) trace.steps[i].result = 1;
  }
  return trace;
}
bool contains(const Program& program, Op op) {
  return std::ranges::find(program.operations, op, &Operation::op) != program.operations.end();
}

JudgeMaker judges_of(FakeJudge::Answer reference, FakeJudge::Answer model, JudgeKind first_kind = kReference) {
  return [=]() -> Result<Judges> {
    Judges judges;
    judges.push_back(std::make_unique<FakeJudge>(first_kind == kHost ? "linux" : "reference", first_kind, reference));
    judges.push_back(std::make_unique<FakeJudge>("model", kMachine, model));
    return judges;
  };
}

CampaignSettings settings_in(const std::string& folder, std::uint64_t programs = 600) {
  CampaignSettings settings;
  settings.directory = folder;
  settings.programs = programs;
  settings.relation_share = 1'000'000;
  settings.save_every = std::chrono::milliseconds(100);
  settings.look_every = std::chrono::milliseconds(20);
  settings.shrink = {500, std::chrono::milliseconds(5'000)};
  return settings;
}

struct Silent : Watcher {
  void finding(const std::string&, const std::string& line) override { findings.push_back(line); }
  void note(const std::string& line) override { notes.push_back(line); }
  std::vector<std::string> findings, notes;
};

CampaignEnd run(const CampaignSettings& settings, const JudgeMaker& judges, const KnownDeviations& known = {},
                Silent* watcher = nullptr) {
  Silent own;
  auto end = run_campaign(settings, judges, known, watcher == nullptr ? own : *watcher);
  EXPECT_TRUE(end) << end.error().message;
  return end ? *end : CampaignEnd{};
}

std::vector<Finding> findings_in(const std::string& folder) {
  std::vector<Finding> findings;
  const auto names = list_folder(folder + "/findings");
  for (const auto& name : *names) {
    const auto finding = read_finding(folder + "/findings/" + name);
    EXPECT_TRUE(finding) << finding.error().message;
    if (finding) findings.push_back(*finding);
  }
  return findings;
}

TEST(Campaign, AgreeingJudgesLeaveACorpusAndNoFinding) {
  const ScratchFolder folder;
  const auto end = run(settings_in(folder.path()), judges_of(all_met, all_met));
  EXPECT_EQ(end.last.session[Count::kPrograms], 600U);
  EXPECT_EQ(end.last.session[Count::kFindings], 0U);
  EXPECT_GT(end.last.session[Count::kKept], 5U);
  EXPECT_EQ(list_folder(folder.path("corpus"))->size(), end.last.session[Count::kKept]);
  EXPECT_GT(end.last.session[Count::kSteps], 600U);
  EXPECT_EQ(end.last.session.judges[1].programs, 600U);
  EXPECT_THAT(*list_folder(folder.path("running")), testing::IsEmpty());
}

TEST(Campaign, APlantedMistakeIsFoundShrunkAndToldOnce) {
  const ScratchFolder folder;
  Silent watcher;
  const auto end = run(settings_in(folder.path()), judges_of(all_met, mistaken), {}, &watcher);
  const auto findings = findings_in(folder.path());
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].shrunk.operations.size(), 2U);
  EXPECT_EQ(findings[0].shrunk.operations[0].op, Op::kLock);
  EXPECT_EQ(findings[0].shrunk.operations[1].op, Op::kSync);
  EXPECT_GT(findings[0].program.operations.size(), 2U);
  EXPECT_EQ(findings[0].disagreement.step, 1U);
  EXPECT_EQ(findings[0].disagreement.field, "outcome");
  EXPECT_EQ(end.last.session[Count::kFindings], 1U);
  EXPECT_GT(end.last.session[Count::kDuplicates], 0U);
  EXPECT_EQ(watcher.findings.size(), 1U);
}

TEST(Campaign, AFindingThatCannotBeWrittenIsToldWithItsProgram) {
  const ScratchFolder folder;
  Silent watcher;
  const auto end = run(settings_in(folder.path()),
                       judges_of(all_met,
                                 [&folder](const Program& program) {
                                   std::filesystem::remove_all(folder.path("findings"));
                                   return mistaken(program);
                                 }),
                       {}, &watcher);
  EXPECT_GE(end.last.session[Count::kFindings], 1U);
  EXPECT_THAT(watcher.findings, testing::IsEmpty());
  EXPECT_THAT(watcher.notes,
              testing::Contains(testing::AllOf(HasSubstr("could not be written"), HasSubstr("faultline-fuzz 1\n"),
                                               HasSubstr("\nlock "), HasSubstr("\nsync "))));
}

TEST(Campaign, GoesOnWhereItWas) {
  const ScratchFolder folder;
  run(settings_in(folder.path()), judges_of(all_met, mistaken));
  const auto corpus = list_folder(folder.path("corpus"))->size();
  const auto end = run(settings_in(folder.path(), 100), judges_of(all_met, mistaken));
  EXPECT_EQ(findings_in(folder.path()).size(), 1U) << "the finding is known by its folder";
  EXPECT_EQ(end.last.session[Count::kFindings], 0U);
  EXPECT_GE(list_folder(folder.path("corpus"))->size(), corpus);
  const auto json = nlohmann::json::parse(end.campaign_json);
  EXPECT_EQ(json["sessions"], 2);
  EXPECT_EQ(json["programs"], 700);
  EXPECT_EQ(json["findings"], 1);
  EXPECT_EQ(json["judges"]["model"]["runs"].get<std::uint64_t>() > 700, true);
  EXPECT_EQ(nlohmann::json::parse(end.session_json)["programs"], 100);
}

// Programs in the order in which they were judged.
std::string order_of(std::uint64_t seed) {
  const ScratchFolder folder;
  const std::string log = folder.path("log");
  const auto logging = [log](const Program& program) {
    std::ofstream(log, std::ios::app) << program_name(program) << "\n";
    return all_met(program);
  };
  auto settings = settings_in(folder.path("campaign"), 300);
  settings.seed = seed;
  run(settings, judges_of(logging, all_met));
  return folder.contents().at("log");
}

TEST(Campaign, OneSeedGivesOneOrderOfPrograms) {
  const std::string first = order_of(7);
  EXPECT_GT(std::ranges::count(first, '\n'), 299);
  EXPECT_EQ(order_of(7), first);
  EXPECT_NE(order_of(8), first);
}

TEST(Campaign, WhatIsKnownIsCountedByItsRule) {
  const ScratchFolder folder;
  const auto known = KnownDeviations::parse(
      R"({"format": 1, "rules": [{"id": "fake-sync", "judges": ["model", "reference"], "field": "outcome",
          "op": ["sync*"], "reason": "a test", "source": "a test"}]})",
      "rules");
  ASSERT_TRUE(known) << known.error().message;
  const auto end = run(settings_in(folder.path()), judges_of(all_met, mistaken), *known);
  EXPECT_EQ(findings_in(folder.path()).size(), 0U);
  EXPECT_GT(end.last.session[Count::kExplained], 0U);
  EXPECT_EQ(nlohmann::json::parse(end.session_json)["known"]["fake-sync"], end.last.session[Count::kExplained]);
}

// The host says something else once, and never again.
TEST(Campaign, WhatTheHostSaysOnceIsNoise) {
  const ScratchFolder folder;
  unsigned calls = 0;
  const auto moody = [calls](const Program& program) mutable {
    Trace trace = all_met(program);
    if (++calls % 7 == 0) trace.steps[0].result = 1;
    return trace;
  };
  const auto end = run(settings_in(folder.path(), 200), judges_of(moody, all_met, kHost));
  EXPECT_EQ(findings_in(folder.path()).size(), 0U);
  EXPECT_GT(end.last.session[Count::kNoise], 0U);
  EXPECT_LT(end.last.session.judges[0].programs, 200U) << "the host has its share only";
}

TEST(Campaign, AJudgeThatDiesIsAFinding) {
  const ScratchFolder folder;
  const auto deadly = [](const Program& program) {
    if (contains(program, Op::kFork)) {
      std::fputs("a last word\n", stderr);
      std::abort();
    }
    return all_met(program);
  };
  Silent watcher;
  auto settings = settings_in(folder.path(), 40);
  settings.shrink.time = std::chrono::milliseconds(2'000);
  const auto end = run(settings, judges_of(all_met, deadly), {}, &watcher);
  EXPECT_GT(end.last.session[Count::kCrashes], 0U);
  const auto findings = findings_in(folder.path());
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].disagreement.field, "crash");
  EXPECT_EQ(findings[0].disagreement.first, "model");
  EXPECT_THAT(findings[0].disagreement.first_value, HasSubstr("a last word"));
  EXPECT_EQ(findings[0].shrunk.operations.size(), 1U);
  EXPECT_THAT(watcher.notes, testing::Contains(HasSubstr("signal 6")));
  EXPECT_GT(end.last.session[Count::kPrograms], 0U) << "the others go on";
}

TEST(Campaign, AJudgeThatNeverComesBackIsAFinding) {
  const ScratchFolder folder;
  // In the first process only: the one that shrinks must come to an end.
  const std::string once = folder.path("once");
  const auto slow = [once](const Program& program) {
    if (::open(once.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600) >= 0) ::sleep(600);
    return all_met(program);
  };
  auto settings = settings_in(folder.path("campaign"), 20);
  settings.hang = std::chrono::seconds(1);
  const auto end = run(settings, judges_of(all_met, slow));
  EXPECT_EQ(end.last.session[Count::kCrashes], 1U);
  const auto findings = findings_in(folder.path("campaign"));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_THAT(findings[0].disagreement.first_value, HasSubstr("did not come to an end"));
}

TEST(Campaign, AJudgeThatFailsIsAFinding) {
  struct Failing : FakeJudge {
    Failing() : FakeJudge("model", kMachine, all_met) {}
    Result<Trace> run(const Program& program) override {
      if (contains(program, Op::kAdvise)) return fail("out of paper");
      return FakeJudge::run(program);
    }
  };
  const ScratchFolder folder;
  const auto end = run(settings_in(folder.path(), 100), []() -> Result<Judges> {
    Judges judges;
    judges.push_back(std::make_unique<FakeJudge>("reference", kReference, all_met));
    judges.push_back(std::make_unique<Failing>());
    return judges;
  });
  const auto findings = findings_in(folder.path());
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].disagreement.field, "failed");
  EXPECT_EQ(findings[0].shrunk.operations.size(), 1U);
  EXPECT_GT(end.last.session[Count::kErrors], 0U);
}

TEST(Campaign, JudgesThatCannotBeHadEndIt) {
  const ScratchFolder folder;
  Silent watcher;
  const auto end = run_campaign(
      settings_in(folder.path()), []() -> Result<Judges> { return fail("no such luck"); }, {}, watcher);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().message, "no such luck");
}

// A process that runs a campaign for as long as it is let.
pid_t start_campaign(const CampaignSettings& settings, const JudgeMaker& judges) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  Silent watcher;
  const auto end = run_campaign(settings, judges, {}, watcher);
  ::_exit(!end ? 9 : end->interrupted ? 1 : 0);
}
int status_of(pid_t pid) {
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return status;
}
// Waits until the campaign there has something to lose.
void wait_for_programs(const std::string& folder) {
  for (int i = 0; i < 500; ++i) {
    const auto names = list_folder(folder + "/corpus");
    if (names && names->size() > 10 && exists(folder + "/stats.json")) return;
    ::usleep(20'000);
  }
  FAIL() << "the campaign does not get on";
}

TEST(Campaign, KilledAtAnyMomentItGoesOn) {
  const ScratchFolder folder;
  const std::string campaign = folder.path("campaign");
  auto settings = settings_in(campaign, 0);
  settings.jobs = 2;
  settings.save_every = std::chrono::milliseconds(1);
  for (int turn = 0; turn < 4; ++turn) {
    const pid_t pid = start_campaign(settings, judges_of(all_met, mistaken));
    wait_for_programs(campaign);
    ::usleep(static_cast<useconds_t>(30'000 * turn));
    ::kill(pid, SIGKILL);
    EXPECT_TRUE(WIFSIGNALED(status_of(pid)));
    const auto opened = CampaignDirectory::open(campaign);
    ASSERT_TRUE(opened) << opened.error().message;
  }
  settings.programs = 500;  // enough to meet the mistake, whatever the killed ones did
  const auto end = run(settings, judges_of(all_met, mistaken));
  const auto json = nlohmann::json::parse(end.campaign_json);
  EXPECT_GE(json["sessions"], 2) << "one that was killed at once was none";
  EXPECT_LE(json["sessions"], 5);
  // One mistake, which may shrink to programs of more than one shape.
  EXPECT_THAT(findings_in(campaign).size(), testing::AllOf(testing::Ge(1U), testing::Le(4U)));
  EXPECT_THAT(*list_folder(folder.path("campaign/running")), testing::IsEmpty());
  // The jobs die a moment after their parent.
  const auto leftovers = [&folder] {
    const auto contents = folder.contents();
    return std::ranges::any_of(contents,
                               [](const auto& file) { return file.first.find(kTemporary) != std::string::npos; });
  };
  for (int i = 0; i < 100 && leftovers(); ++i) {
    ::usleep(50'000);
    ASSERT_TRUE(CampaignDirectory::open(campaign));
  }
  EXPECT_FALSE(leftovers());
}

TEST(Campaign, ASignalEndsItInOrder) {
  const ScratchFolder folder;
  auto settings = settings_in(folder.path(), 0);
  settings.jobs = 2;
  const pid_t pid = start_campaign(settings, judges_of(all_met, all_met));
  wait_for_programs(folder.path());
  ::kill(pid, SIGINT);
  EXPECT_EQ(status_of(pid), 1 << 8) << "interrupted, and everything is written";
  const auto json = nlohmann::json::parse(folder.contents().at("stats.json"));
  EXPECT_GT(json["programs"], 0);
  EXPECT_EQ(json["kept"], list_folder(folder.path("corpus"))->size());
}

// all_met() of two processes: neither goes on before the other has begun, nor is done at once.
FakeJudge::Answer met_together() {
  void* const shared =
      ::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  FL_CHECK(shared != MAP_FAILED);
  return [begun = new (shared) std::atomic<int>(0), first = true](const Program& program) mutable {
    constexpr useconds_t kMillisecond = 1000;
    constexpr int kMostMilliseconds = 30'000;
    if (std::exchange(first, false)) ++*begun;
    for (int i = 0; *begun < 2 && i < kMostMilliseconds; ++i) ::usleep(kMillisecond);
    ::usleep(kMillisecond);
    return all_met(program);
  };
}

TEST(Campaign, SeveralProcessesShareOne) {
  const ScratchFolder folder;
  const FakeJudge::Answer met = met_together();
  auto settings = settings_in(folder.path(), 400);
  settings.seed = 1;
  const pid_t first = start_campaign(settings, judges_of(met, mistaken));
  settings.seed = 2;
  const pid_t second = start_campaign(settings, judges_of(met, mistaken));
  EXPECT_EQ(status_of(first), 0);
  EXPECT_EQ(status_of(second), 0);
  EXPECT_EQ(findings_in(folder.path()).size(), 1U);
  const auto json = nlohmann::json::parse(folder.contents().at("stats.json"));
  EXPECT_EQ(json["programs"], 800);
  EXPECT_EQ(json["sessions"], 2);
  EXPECT_GT(json["taken_over"], 0) << "what one adds, the other takes over";
}

TEST(Campaign, SeveralJobsShareTheWork) {
  const ScratchFolder folder;
  auto settings = settings_in(folder.path(), 500);
  settings.jobs = 3;
  const auto end = run(settings, judges_of(all_met, mistaken));
  EXPECT_EQ(end.last.session[Count::kPrograms], 500U);
  EXPECT_EQ(findings_in(folder.path()).size(), 1U);
}

}  // namespace
}  // namespace faultline::vmm::fuzz

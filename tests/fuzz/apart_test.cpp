// Judges that work in a thread of their own, and campaigns with them.
#include "vmm/fuzz/campaign/apart.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/fuzz/fake_judge.hpp"
#include "tests/support/scratch_folder.hpp"
#include "vmm/fuzz/campaign/campaign.hpp"
#include "vmm/fuzz/campaign/files.hpp"
#include "vmm/fuzz/campaign/panel.hpp"
#include "vmm/fuzz/finding/finding.hpp"

namespace faultline::vmm::fuzz {
namespace {

using test::ScratchFolder;

Program reads(std::size_t count) { return {std::vector<Operation>(count, read_at({1, 0}))}; }

TEST(Apart, WorksInOrderInAThreadOfItsOwn) {
  std::vector<std::size_t> seen;
  std::thread::id thread;
  auto judge = std::make_unique<FakeJudge>(
      "kvm-fake", kMachine,
      [&](const Program& program) {
        thread = std::this_thread::get_id();
        ::usleep(1'000);
        seen.push_back(program.operations.size());
        return all_done(program);
      },
      true);
  {
    unsigned told = 0;
    Apart apart(std::move(judge), [&told](const GuestCost&) { ++told; });
    EXPECT_EQ(apart.name(), "kvm-fake");
    EXPECT_EQ(apart.kind(), kMachine);
    const Program one = reads(1), two = reads(2), four = reads(4);
    apart.begin([&one](Judge& by) { EXPECT_TRUE(by.run(one)); });
    apart.begin([&two](Judge& by) { EXPECT_TRUE(by.run(two)); });
    const auto trace = apart.run(reads(3));
    ASSERT_TRUE(trace);
    EXPECT_EQ(trace->steps.size(), 3U);
    EXPECT_THAT(seen, testing::ElementsAre(1, 2, 3));
    EXPECT_EQ(told, 1U);
    EXPECT_NE(thread, std::this_thread::get_id());
    apart.begin([&four](Judge& by) { EXPECT_TRUE(by.run(four)); });
  }
  EXPECT_THAT(seen, testing::ElementsAre(1, 2, 3, 4)) << "what was begun is done before it goes";
}

// Takes what waits, as many as it likes to have at once, and remembers.
class TakingJudge final : public FakeJudge {
 public:
  TakingJudge(RunningProgram& running, std::shared_future<void> all_asked, std::vector<std::vector<std::size_t>>& seen)
      : FakeJudge(
            "kvm-fake", kMachine, [](const Program& p) { return all_done(p); }, true),
        running_(running),
        all_asked_(std::move(all_asked)),
        seen_(seen) {}
  [[nodiscard]] unsigned at_once() const override { return 4; }
  std::vector<Result<Trace>> run_many(std::span<const Program* const> programs) override {
    all_asked_.wait();
    EXPECT_EQ(running_.entries().size(), programs.size()) << "all of them are suspects, should it die";
    auto& sizes = seen_.emplace_back();
    for (const Program* program : programs) sizes.push_back(program->operations.size());
    auto traces = FakeJudge::run_many(programs);
    for (std::size_t i = 0; i < traces.size(); ++i)
      if (sizes[i] == 5) traces[i] = fail("five are too many");
    return traces;
  }

 private:
  RunningProgram& running_;
  std::shared_future<void> all_asked_;
  std::vector<std::vector<std::size_t>>& seen_;
};

TEST(Panel, AJudgeApartTakesSeveralOfThoseThatWait) {
  const ScratchFolder folder;
  auto running = RunningProgram::create(folder.path(), 0);
  ASSERT_TRUE(running) << running.error().message;
  std::promise<void> all_asked;
  std::vector<std::vector<std::size_t>> seen;
  Tally tally;
  std::vector<Program> programs;
  for (std::size_t size = 1; size <= 9; ++size) programs.push_back(reads(size));
  {
    Judges judges;
    judges.push_back(std::make_unique<FakeJudge>("model", kMachine, [](const Program& p) { return all_done(p); }));
    judges.push_back(std::make_unique<TakingJudge>(*running, all_asked.get_future().share(), seen));
    Panel panel(std::move(judges), tally, &*running, Guests::kApart);
    std::vector<Panel::Awaited> awaited;
    for (const Program& program : programs) awaited.push_back(panel.begin(program));
    all_asked.set_value();
    for (std::size_t i = 0; i < programs.size(); ++i) {
      const Opinion opinion = awaited[i][1].get();
      ASSERT_EQ(opinion.trace.has_value(), i != 4) << opinion.error;
      EXPECT_EQ(opinion.error, i == 4 ? "five are too many" : "");
      EXPECT_TRUE(i == 4 || opinion.trace->steps.size() == i + 1);
    }
  }
  EXPECT_LE(seen.size(), 3U);
  std::vector<std::size_t> in_order;
  for (const auto& sizes : seen) {
    EXPECT_LE(sizes.size(), 4U);
    in_order.insert(in_order.end(), sizes.begin(), sizes.end());
  }
  EXPECT_THAT(in_order, testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_TRUE(running->entries().empty());
  Figures sum;
  tally.add_to(sum);
  EXPECT_EQ(sum.judges[1].programs, 9U);
  EXPECT_EQ(sum.judges[1].errors, 1U);
}

// What the guest costs is what it says.
Trace seen_by_guest(const Program& program) {
  Trace trace = all_done(program, kOutcomeField);
  trace.guest.inside_ns = 1'000'000;
  trace.guest.control_ns = 1'000;
  trace.guest.entries = 3;
  trace.guest.steps = 2;
  return trace;
}
bool contains(const Program& program, Op op) {
  return std::ranges::find(program.operations, op, &Operation::op) != program.operations.end();
}

CampaignEnd run_with(const std::string& folder, const FakeJudge::Answer& guest, std::uint64_t programs = 200) {
  CampaignSettings settings;
  settings.directory = folder;
  settings.programs = programs;
  settings.seed = 3;
  settings.relation_share = 1'000'000;
  settings.shrink = {500, std::chrono::milliseconds(5'000)};
  const auto judges = [&]() -> Result<Judges> {
    Judges all;
    all.push_back(std::make_unique<FakeJudge>("model", kMachine, all_met));
    all.push_back(std::make_unique<FakeJudge>("kvm-fake", kMachine, guest, true));
    return all;
  };
  Watcher nobody;
  auto end = run_campaign(settings, judges, {}, nobody);
  EXPECT_TRUE(end) << end.error().message;
  return end ? *end : CampaignEnd{};
}

TEST(ApartCampaign, TheGuestJudgesEveryProgramAndItsTimeIsTold) {
  const ScratchFolder folder;
  const auto end = run_with(folder.path(), seen_by_guest);
  const Figures& session = end.last.session;
  EXPECT_EQ(session[Count::kPrograms], 200U);
  EXPECT_EQ(session.judges[1].programs, 200U);
  // Those that relations want are among them.
  const std::uint64_t runs = session[Count::kEntries] / 3;
  EXPECT_EQ(session[Count::kEntries] % 3, 0U);
  EXPECT_GE(runs, 200U);
  EXPECT_EQ(session[Count::kGuestNs], runs * 1'000'000U);
  EXPECT_EQ(session[Count::kControlNs], runs * 1'000U);
  EXPECT_NEAR(end.last.in_guest(), static_cast<double>(runs) * 0.1 / end.last.seconds, 1e-6) << "of a job's wall time";
  const auto json = nlohmann::json::parse(end.session_json);
  EXPECT_EQ(json["entries"], runs * 3);
  EXPECT_EQ(json["inner_ends"], runs * 2);
  EXPECT_DOUBLE_EQ(json["seconds"]["guest"], static_cast<double>(runs) * 1e-3);
  EXPECT_DOUBLE_EQ(json["seconds"]["control"], static_cast<double>(runs) * 1e-6);
  EXPECT_TRUE(json["seconds"].contains("guest_waiting"));
  EXPECT_TRUE(json["seconds"].contains("waiting"));
}

// A guest that takes its time changes nothing of what is generated and kept.
TEST(ApartCampaign, OneSeedGivesOneCorpusHoweverSlowTheGuestIs) {
  const ScratchFolder quick, slow;
  run_with(quick.path(), seen_by_guest);
  run_with(slow.path(), [](const Program& program) {
    ::usleep(500 * static_cast<useconds_t>(program.operations.size() % 5));
    return seen_by_guest(program);
  });
  auto one = *list_folder(quick.path("corpus")), other = *list_folder(slow.path("corpus"));
  std::ranges::sort(one);
  std::ranges::sort(other);
  EXPECT_GT(one.size(), 5U);
  EXPECT_EQ(one, other);
}

std::vector<Finding> findings_in(const ScratchFolder& folder) {
  std::vector<Finding> findings;
  const auto names = list_folder(folder.path("findings"));
  for (const auto& name : *names)
    if (auto finding = read_finding(folder.path("findings/") + name)) findings.push_back(std::move(*finding));
  return findings;
}

TEST(ApartCampaign, WhatTheGuestSaysOtherwiseIsShrunk) {
  const ScratchFolder folder;
  run_with(folder.path(), [](const Program& program) {
    Trace trace = seen_by_guest(program);
    const auto sync = std::ranges::find(program.operations, Op::kSync, &Operation::op);
    if (sync != program.operations.end())
      trace.steps[static_cast<std::size_t>(sync - program.operations.begin())].result = 1;
    return trace;
  });
  const auto findings = findings_in(folder);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].disagreement.second, "kvm-fake");
  EXPECT_EQ(findings[0].shrunk.operations.size(), 1U);
}

// The job is at another program by then: the one that it died of is written down.
TEST(ApartCampaign, AGuestThatDiesIsAFinding) {
  const ScratchFolder folder;
  const auto end = run_with(
      folder.path(),
      [](const Program& program) {
        if (contains(program, Op::kFork)) std::abort();
        return seen_by_guest(program);
      },
      30);
  EXPECT_GT(end.last.session[Count::kCrashes], 0U);
  const auto findings = findings_in(folder);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].disagreement.first, "kvm-fake");
  EXPECT_EQ(findings[0].disagreement.field, "crash");
  EXPECT_TRUE(contains(findings[0].program, Op::kFork));
  EXPECT_EQ(findings[0].shrunk.operations.size(), 1U);
}

}  // namespace
}  // namespace faultline::vmm::fuzz

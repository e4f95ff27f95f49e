#include "vmm/fuzz/relations.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/fuzz/fake_judge.hpp"
#include "vmm/fuzz/finding/finding.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

const Relation& relation(std::string_view name) {
  const Relation* r = find_relation(name);
  EXPECT_NE(r, nullptr) << name;
  return *r;
}

// The changed program in text form, without the header; "-" when it does not apply.
std::string changed(std::string_view name, const Program& program) {
  const auto t = relation(name).transform(program);
  if (!t) return "-";
  std::string text;
  for (const Operation& o : t->program.operations) text += to_text(o) + "\n";
  return text;
}

const Program kSample{{map_at({0, 0}, 5 * 4096), write_at({0, 0x1008}, 4), {Op::kUnmap, {pack({0, 0}), 3 * 4096}}}};

TEST(Relations, EachChangesWhatItSays) {
  EXPECT_EQ(changed("split-map", kSample),
            "map 512g 2p rw- private,fixed anonymous 0\nmap 512g+2p 3p rw- private,fixed anonymous 0\n"
            "write 4 512g+1p+8 1\nunmap 512g 3p\n");
  EXPECT_EQ(relation("split-map").transform(kSample)->step_of, (std::vector<std::size_t>{0, 2, 3}));
  EXPECT_EQ(changed("split-unmap", kSample),
            "map 512g 5p rw- private,fixed anonymous 0\nwrite 4 512g+1p+8 1\nunmap 512g 1p\nunmap 512g+1p 2p\n");
  EXPECT_EQ(changed("read-first", kSample),
            "map 512g 5p rw- private,fixed anonymous 0\nread 1 512g+1p+8\nwrite 4 512g+1p+8 1\nunmap 512g 3p\n");
  EXPECT_EQ(changed("lock-unlock", Program{{kSample.operations[0]}}),
            "map 512g 5p rw- private,fixed anonymous 0\nlock 512g 5p none\nunlock 512g 5p\n");
  EXPECT_EQ(changed("fork-exit", Program{{kSample.operations[1]}}), "write 4 512g+1p+8 1\nfork\nswitch 1\nexit\n");
}

TEST(Relations, PagesOfFilesGoOnInTheSecondHalf) {
  Program p = kSample;
  p.operations[0].operands[4] = 1;
  p.operations[0].operands[5] = 7;
  EXPECT_EQ(relation("split-map").transform(p)->program.operations[1].operands[5], 9);
}

TEST(Relations, WhatWouldSeeTheDifferenceIsLeftAlone) {
  Program p = kSample;
  p.operations[0].operands[3] = kMapFixed | kMapShared;
  EXPECT_EQ(changed("split-map", p), "-") << "two objects";
  EXPECT_NE(changed("advise-normal", p), "-");
  p.operations[0].operands[3] = kMapNoReplace;
  EXPECT_EQ(changed("protect-same", p), "-") << "the map may fail, and what is there is another's";
  p = kSample;
  p.operations.push_back({Op::kRemap, {pack({0, 0}), 4096, 8192, 0, pack({0, 0})}});
  EXPECT_EQ(changed("split-map", p), "-");
  EXPECT_NE(changed("split-unmap", p), "-");
  p = kSample;
  p.operations.push_back({Op::kFlipControl, {1}});
  for (const char* name : {"split-map", "split-unmap", "invalidate", "read-first", "fork-exit"})
    EXPECT_EQ(changed(name, p), "-") << name;
  p = kSample;
  p.operations.push_back({Op::kSwitch, {0}});
  EXPECT_EQ(changed("fork-exit", p), "-");
}

TEST(Relations, ProgramsStayLegalAndStepsStayInOrder) {
  std::mt19937_64 random(5);
  std::set<std::string_view> applied;
  for (unsigned i = 0; i < 300; ++i) {
    GenerateOptions options;
    options.operations = i % 10 == 0 ? kMaxOperations : 20;
    options.raw = options.failures = i % 4 == 0;
    const Program p = generate(random, options);
    for (const Relation& r : relations()) {
      const auto t = r.transform(p);
      if (!t) continue;
      applied.insert(r.name);
      EXPECT_EQ(illegal(t->program), std::nullopt) << r.name;
      ASSERT_EQ(t->step_of.size(), p.operations.size()) << r.name;
      for (std::size_t s = 0; s < t->step_of.size(); ++s) {
        EXPECT_EQ(t->program.operations[t->step_of[s]].op, p.operations[s].op) << r.name;
        EXPECT_TRUE(s == 0 || t->step_of[s - 1] < t->step_of[s]) << r.name;
      }
    }
  }
  EXPECT_EQ(applied.size(), relations().size()) << "each of them has a use";
}

// Says -EINVAL to the step after a map whenever there are two.
Trace sees_splits(const Program& p) {
  Trace t = all_done(p);
  std::size_t maps = 0;
  for (std::size_t i = 0; i < p.operations.size(); ++i) {
    if (p.operations[i].op == Op::kMap) ++maps;
    if (p.operations[i].op == Op::kUnmap && maps > 1) t.steps[i].result = -EINVAL;
  }
  return t;
}

TEST(Relations, ADifferenceIsThatOfTheOriginalsStep) {
  FakeJudge judge("fake", kMachine, sees_splits);
  const auto found = check_relation(relation("split-map"), judge, kSample);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(**found, (Disagreement{"fake", "fake~split-map", 2, "outcome", "0", "-EINVAL"}));
  EXPECT_EQ(judge.runs, 2U);
  for (const char* name : {"split-unmap", "replay", "protect-same"}) {
    const auto none = check_relation(relation(name), judge, kSample);
    EXPECT_TRUE(none && !*none) << name;
  }
}

TEST(Relations, OnlyFieldsThatMustStayEqualAreCompared) {
  // Every step faults once, and says how many steps there are in its count.
  FakeJudge judge("fake", kMachine, [](const Program& p) {
    Trace t = all_done(p);
    for (StepResult& s : t.steps) s.minor = static_cast<std::uint32_t>(p.operations.size());
    return t;
  });
  EXPECT_FALSE(*check_relation(relation("split-map"), judge, kSample));
  const auto counts = check_relation(relation("split-unmap"), judge, kSample);
  ASSERT_TRUE(*counts);
  EXPECT_EQ((*counts)->field, "counts");
}

TEST(Relations, AJudgeThatCannotFollowIsNotAsked) {
  FakeJudge reference("reference", kReference, [](const Program& p) { return all_done(p); });
  EXPECT_FALSE(*check_relation(relation("invalidate"), reference, kSample));
  EXPECT_EQ(reference.runs, 0U);
}

// Which string copies nobody can tell the outcome of, machines say themselves.
TEST(Relations, TheHostIsNotAskedOfCopiesThatMayGoThroughAnAlias) {
  const auto done = [](const Program& p) { return all_done(p); };
  FakeJudge host("linux", kHost, done), model("model", kMachine, done);
  const auto runs_of = [](FakeJudge& judge, const char* name, const Program& program) {
    const unsigned before = judge.runs;
    EXPECT_FALSE(*check_relation(relation(name), judge, program));
    return judge.runs - before;
  };
  Program p{{map_at({0, 0}, 4096, 3, kMapFixed | kMapShared), map_at({0, 8192}, 4096, 3, kMapFixed)}};
  for (Operation& map : p.operations) map.operands[4] = static_cast<std::int64_t>(FileOperand::kMemory);
  EXPECT_EQ(runs_of(host, "replay-host", p), 2U);
  p.operations.push_back({Op::kCopy, {8, pack({0, 0}), pack({0, 64})}});
  EXPECT_EQ(runs_of(host, "replay-host", p), 0U);
  EXPECT_EQ(runs_of(model, "replay", p), 2U);
  p.operations[1].operands[4] = static_cast<std::int64_t>(FileOperand::kDisk);
  EXPECT_EQ(runs_of(host, "replay-host", p), 2U) << "each file once";
  p.operations.push_back({Op::kRemap, {pack({0, 0}), 0, 4096, 3, pack({0, 16384})}});
  EXPECT_EQ(runs_of(host, "replay-host", p), 0U) << "it may be mapped twice by now";
}

TEST(Relations, AnEndInAStepThatWasAddedIsNews) {
  FakeJudge judge("fake", kMachine, [](const Program& p) {
    Trace t = all_done(p);
    for (std::size_t i = 0; i < p.operations.size(); ++i) {
      if (p.operations[i].op != Op::kRead) continue;
      t.steps.resize(i + 1);
      t.steps[i].end = StepEnd::kKilled;
      break;
    }
    return t;
  });
  const auto found = check_relation(relation("read-first"), judge, kSample);
  ASSERT_TRUE(*found);
  EXPECT_EQ(**found, (Disagreement{"fake", "fake~read-first", 1, "outcome", "done", "killed"}));
}

TEST(Relations, ReplayIsOfTheWholeTrace) {
  unsigned runs = 0;
  FakeJudge judge("fake", kReference, [&runs](const Program& p) {
    Trace t = all_done(p);
    t.processes.resize(1);
    if (++runs == 2) t.processes[0].pages = {{0x1000, true, false, true, false}};
    return t;
  });
  const auto found = check_relation(relation("replay"), judge, kSample);
  ASSERT_TRUE(*found);
  EXPECT_EQ((*found)->field, "pages");
}

TEST(Relations, TheRealJudgesKeepThem) {
  auto model = make_model();
  ASSERT_TRUE(model) << model.error().message;
  const auto reference = make_reference();
  for (unsigned i = 0; i < 25; ++i) {
    std::mt19937_64 random(900 + i);
    GenerateOptions options;
    options.operations = 16;
    const Program p = generate(random, options);
    for (Judge* judge : {model->get(), reference.get()}) {
      const auto first_run = judge->run(p);
      ASSERT_TRUE(first_run) << first_run.error().message;
      for (const Relation& r : relations()) {
        const auto found = check_relation(r, *judge, p, *first_run);
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_FALSE(*found) << summary(p, **found) << "\n" << to_text(p);
      }
    }
  }
}

}  // namespace
}  // namespace faultline::vmm::fuzz

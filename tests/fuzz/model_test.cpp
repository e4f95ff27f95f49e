#include <gtest/gtest.h>

#include <random>

#include "tests/fuzz/trace_text.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/machine/model_machine.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

TEST(Model, ThousandsOfProgramsLeaveNothingBehind) {
  auto judge = make_model();
  ASSERT_TRUE(judge) << judge.error().message;
  std::mt19937_64 random(1);
  for (unsigned i = 0; i < 2000; ++i) {
    const Program program = generate(random, {.raw = i % 4 == 1, .failures = i % 4 == 2});
    const auto trace = (*judge)->run(program);
    ASSERT_TRUE(trace) << trace.error().message << "\n" << to_text(program);
    ASSERT_TRUE(trace->broken.empty()) << i << ": " << trace->broken.front() << "\n" << to_text(program);
  }
}

// One list of accesses each, in turns: neither notices the other.
TEST(Model, TwoProgramsUnderWayAtOnceAreAsOneAfterTheOther) {
  auto here = ModelMachine::create(), there = ModelMachine::create();
  ASSERT_TRUE(here && there);
  std::mt19937_64 random(2);
  unsigned lists = 0;
  for (unsigned i = 0; i < 300; ++i) {
    const Program first = generate(random, {.raw = i % 4 == 1}), second = generate(random, {.failures = i % 4 == 2});
    const auto alone = (*here)->judge().run(first), also_alone = (*there)->judge().run(second);
    ASSERT_TRUE(alone && also_alone);
    MachineJudge &a = (*here)->judge(), &b = (*there)->judge();
    a.begin(first);
    b.begin(second);
    for (bool more_a = true, more_b = true; more_a || more_b;) {
      if (more_a && (more_a = a.advance())) a.make_due(), ++lists;
      if (more_b && (more_b = b.advance())) b.make_due(), ++lists;
    }
    const auto together = a.finish(), also_together = b.finish();
    ASSERT_TRUE(together && also_together);
    ASSERT_EQ(text_of(*together), text_of(*alone)) << to_text(first);
    ASSERT_EQ(text_of(*also_together), text_of(*also_alone)) << to_text(second);
  }
  EXPECT_GT(lists, 1000U);
}

TEST(Model, AProgramWhoseAccessesCannotBeMadeLeavesNothingBehind) {
  auto machine = ModelMachine::create();
  ASSERT_TRUE(machine);
  std::mt19937_64 random(3);
  const Program program = generate(random, {});
  const auto before = (*machine)->judge().run(program);
  ASSERT_TRUE(before);
  MachineJudge& judge = (*machine)->judge();
  judge.begin(program);
  ASSERT_TRUE(judge.advance());
  judge.fail_with({"no guest"});
  EXPECT_FALSE(judge.advance());
  const auto failed = judge.finish();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "model: no guest");
  const auto after = judge.run(program);
  ASSERT_TRUE(after);
  EXPECT_EQ(text_of(*after), text_of(*before));
}

}  // namespace
}  // namespace faultline::vmm::fuzz

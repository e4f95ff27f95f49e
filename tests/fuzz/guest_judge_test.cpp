// The guest judge: what it sees of generated programs is what the model sees, whatever ran before.
#include <cstdlib>
#include <random>

#include "tests/fuzz/backend_fixture.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/known.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

class GuestJudgeTest : public GuestTest {
 protected:
  void SetUp() override {
    GuestTest::SetUp();
    if (over()) return;
    auto model = make_model();
    ASSERT_TRUE(model) << model.error().message;
    model_ = std::move(*model);
    auto known = KnownDeviations::built_in();
    ASSERT_TRUE(known) << known.error().message;
    known_ = std::move(*known);
  }

  Trace run(Judge& judge, const Program& program) {
    auto trace = judge.run(program);
    if (trace) return *trace;
    ADD_FAILURE() << trace.error().message << "\n" << to_text(program);
    return {};
  }
  // Runs `count` generated programs on both.
  void compare_generated(unsigned count, std::uint64_t seed, const GenerateOptions& options) {
    unsigned different = 0;
    for (unsigned i = 0; i < count && different < 5; ++i) {
      std::mt19937_64 random(seed + i);
      const Program program = generate(random, options);
      const auto found = compare(program, run(*model_, program), run(*guest_, program));
      if (!found || known_->explains(program, *found) != nullptr) continue;
      ++different;
      ADD_FAILURE() << "seed " << seed + i << ", step " << found->step << ", " << found->field << ": "
                    << found->first_value << " against " << found->second_value << "\n"
                    << to_text(program);
    }
  }
  // FAULTLINE_FUZZ_PROGRAMS: how many, for a long run by hand.
  static unsigned programs(unsigned usually) {
    const char* wanted = std::getenv("FAULTLINE_FUZZ_PROGRAMS");
    return wanted != nullptr ? static_cast<unsigned>(std::atoi(wanted)) : usually;
  }

  std::unique_ptr<Judge> model_;
  std::optional<KnownDeviations> known_;
};

TEST_P(GuestJudgeTest, SeesWhatTheModelSees) { compare_generated(programs(80), 1, {}); }
TEST_P(GuestJudgeTest, SeesTheSameOfFlippedEntries) { compare_generated(programs(40), 1'000'000, {.raw = true}); }
TEST_P(GuestJudgeTest, SeesTheSameOfFailures) { compare_generated(programs(40), 2'000'000, {.failures = true}); }

// What is the judge's own lies between the windows.
TEST_P(GuestJudgeTest, AnAbsurdLengthIsJudged) {
  const auto program = parse_text(
      "faultline-fuzz 1\n"
      "map low 2p rw- private,fixed anonymous 0\nmap 1g 2p rw- private,fixed anonymous 0\n"
      "write 1 low 0\nwrite 1 1g 0\n"
      "advise low huge dontneed\nsync low huge invalidate,sync\nadvise low huge wipeonfork\n"
      "advise low huge populate-read\nadvise null maximum populate-read\nread 1 low\nread 1 1g\n",
      "test");
  ASSERT_TRUE(program) << program.error().message;
  const Trace guest = run(*guest_, *program);
  EXPECT_TRUE(guest.complete(*program));
  const auto found = compare(*program, run(*model_, *program), guest);
  EXPECT_FALSE(found) << found->step << ", " << found->field << ": " << found->first_value << " | "
                      << found->second_value;
}

// From the copy on, if it is between two names of the same bytes, and although accesses behind it were made.
TEST_P(GuestJudgeTest, ACopyThroughAnAliasIsNotJudged) {
  const std::string twice =
      "map 1g 2p rw- shared,fixed memory 0\nmap 1g+4p 2p rw- shared,fixed memory 0\n"
      "map 2m 1p rw- private,fixed memory 0\nread 1 2m\n";
  const struct {
    std::string copy;
    bool judged;
  } cases[] = {
      {"copy 16 1g 1g+4p+8\n", false},       {"copy 16 1g 1g+4p+16\n", true},
      {"copy 16 1g 1g+8\n", true},            // one name: defined
      {"copy 64 1g+1p-8 1g+5p\n", false},     // its second page against the first
      {"copy 64 1g+1p 1g+6p-8\n", true},      // faults behind the end: other bytes
      {"copy 64 1g+2p-16 1g+6p-8\n", false},  // in its first part
      {"copy 16 2m 1g+4p+8\n", false},        // a private page that is the file's still
      {"copy 16 1g 2m+8\n", true},            // and none any more
  };
  for (const auto& c : cases) {
    const auto program =
        parse_text("faultline-fuzz 1\n" + twice + c.copy + "write 1 1g 0\nread 8 1g+4p\nread 1 null\n", "test");
    ASSERT_TRUE(program) << program.error().message;
    for (Judge* judge : {model_.get(), static_cast<Judge*>(guest_.get())}) {
      const Trace trace = run(*judge, *program);
      EXPECT_EQ(trace.complete(*program), c.judged) << judge->name() << ": " << c.copy;
      if (c.judged) continue;
      EXPECT_EQ(trace.steps.size(), 5U) << judge->name() << ": " << c.copy;
      EXPECT_EQ(trace.steps.back().end, StepEnd::kNotJudged) << judge->name() << ": " << c.copy;
      EXPECT_TRUE(trace.broken.empty()) << trace.broken.front();
    }
  }
}

// A store that faults with and without a flip says nothing about what a load behind it finds.
TEST_P(GuestJudgeTest, AFaultDoesNotMakeAFlipKnown) {
  const auto program = parse_text(
      "faultline-fuzz 1\nmap 512g 1p r-- private,fixed anonymous 0\nread 1 512g\nflip-entry 512g 1 2\n"
      "write 1 512g 0\ncopy 1 512g 512g\n",
      "test");
  ASSERT_TRUE(program) << program.error().message;
  const Trace model = run(*model_, *program);
  EXPECT_EQ(model.steps.at(3).end, StepEnd::kSignal);
  EXPECT_EQ(model.steps.at(4).end, StepEnd::kNotJudged);
  EXPECT_FALSE(compare(*program, model, run(*guest_, *program)));
}

INSTANTIATE_TEST_SUITE_P(Backend, GuestJudgeTest, every_backend(), backend_name);

}  // namespace
}  // namespace faultline::vmm::fuzz

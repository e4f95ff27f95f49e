// Mistakes planted in mmu, and how soon the fuzzer finds them: the model's processor against the
// reference, and the invariants, on generated programs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <vector>

#include "tests/fuzz/planted/mistakes.hpp"
#include "tests/fuzz/planted/trial.hpp"
#include "vmm/fuzz/shrink.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::test {
namespace {

using vmm::fuzz::Program;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLimit{60};

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

TEST(Planted, EveryMistakeHasItsPlace) {
  EXPECT_GE(std::size(kMistakes), 30U);
  for (std::size_t n = 0; n < std::size(kMistakes); ++n) {
    EXPECT_TRUE(is_planted(n)) << kMistakes[n].mistake << ": its text is not in " << kMistakes[n].file << ", once";
    EXPECT_NE(kMistakes[n].from, kMistakes[n].to) << kMistakes[n].mistake;
  }
}

TEST(Planted, WithoutMistakesTheJudgesAgree) {
  const auto trials = Trials::create(Against::kReference);
  ASSERT_TRUE(trials) << trials.error().message;
  for (std::uint64_t number = 0; number < 300; ++number) {
    const Program program = Trials::program_of(number);
    const auto found = (*trials)->run(kNoMistake, program);
    EXPECT_FALSE(found) << found->judges << " " << found->field << ": " << found->values << "\n" << to_text(program);
  }
}

// The length of the shrunk program, or nothing.
std::optional<std::size_t> find(Trials& trials, std::size_t mistake) {
  const auto start = Clock::now();
  const auto found = trials.search(mistake, kLimit);
  const double took = seconds_since(start);
  const std::string name(kMistakes[mistake].mistake);
  if (!found) {
    std::printf("%-62s  not found in %.0f s\n", name.c_str(), took);
    return std::nullopt;
  }
  // Of the same kind, so that one mistake does not turn into another's symptom.
  const auto shows = [&](const Program& p) {
    const auto again = trials.run(mistake, p);
    return again && again->field == found->finding.field && !trials.run(kNoMistake, p);
  };
  const Program small = shrink(found->program, shows, {.evaluations = 1500, .time = std::chrono::seconds(20)});
  std::printf("%-62s  %8llu  %5.2f  %-16s  %-10s  %3zu  %6.2f\n", name.c_str(),
              static_cast<unsigned long long>(found->programs), took, found->finding.judges.c_str(),
              found->finding.field.c_str(), small.operations.size(), seconds_since(start) - took);
  std::fflush(stdout);
  return small.operations.size();
}

TEST(Planted, EveryMistakeIsFoundAndShrunk) {
  const auto reference = Trials::create(Against::kReference), linux_here = Trials::create(Against::kLinux);
  ASSERT_TRUE(reference) << reference.error().message;
  std::printf("%-62s  %8s  %5s  %-16s  %-10s  %3s  %6s\n", "mistake", "programs", "s", "judges", "field", "ops",
              "shrink");
  std::vector<std::size_t> sizes;
  for (std::size_t n = 0; n < std::size(kMistakes); ++n) {
    const bool by_linux = kMistakes[n].against == Against::kLinux;
    if (by_linux && !linux_here) {
      std::printf("%-62s  skipped: %s\n", std::string(kMistakes[n].mistake).c_str(),
                  linux_here.error().message.c_str());
      continue;
    }
    const auto size = find(by_linux ? **linux_here : **reference, n);
    EXPECT_TRUE(size) << kMistakes[n].mistake;
    if (size) sizes.push_back(*size);
  }
  ASSERT_GE(sizes.size(), 30U);
  std::ranges::sort(sizes);
  const std::size_t median = sizes[sizes.size() / 2];
  std::printf("%zu of %zu found; median of %zu operations\n", sizes.size(), std::size(kMistakes), median);
  EXPECT_LE(median, 5U);
}

}  // namespace
}  // namespace faultline::test

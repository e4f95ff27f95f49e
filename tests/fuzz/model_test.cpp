#include <gtest/gtest.h>

#include <random>

#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/judge.hpp"
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

}  // namespace
}  // namespace faultline::vmm::fuzz

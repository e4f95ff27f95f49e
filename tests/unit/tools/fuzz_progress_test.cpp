#include "tools/fuzz_progress.hpp"

#include <gtest/gtest.h>

namespace faultline::tools {
namespace {

using vmm::fuzz::CampaignProgress;
using vmm::fuzz::Count;

bool speaks_of_a_guest(const CampaignProgress& progress) {
  const bool line = progress_line(progress, 200).find("guest") != std::string::npos;
  EXPECT_EQ(line, time_text(progress).find("guest") != std::string::npos);
  return line;
}

TEST(FuzzProgress, SaysNothingOfAGuestWhereNoJudgeHasOne) {
  CampaignProgress progress;
  progress.seconds = progress.started = 1;
  EXPECT_FALSE(speaks_of_a_guest(progress));
  progress.session.counts[static_cast<std::size_t>(Count::kGuestWaitNs)] = 1;
  EXPECT_TRUE(speaks_of_a_guest(progress));
}

}  // namespace
}  // namespace faultline::tools

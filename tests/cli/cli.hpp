// Running `faultline` as a user does, and what every refusal must look like.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace faultline::test {

inline ProcessResult faultline(const std::vector<std::string>& arguments, const std::string& folder = {}) {
  ProcessRequest request{.folder = folder};
  request.argv = {FAULTLINE_CLI};
  request.argv.insert(request.argv.end(), arguments.begin(), arguments.end());
  return run_process(request);
}

inline std::string guest_program(const std::string& name) { return std::string(FAULTLINE_GUEST_PROGRAMS) + "/" + name; }

// Empty when some backend can run guests here, otherwise why the test is skipped.
inline std::string why_no_guest() {
  constexpr int kHarnessFailed = 125;
  const auto why = why_no_kvm();
  if (why.empty()) return {};
  const auto probe = faultline({"run", "--", guest_program("exit_status"), "0"});
  return probe.status == kHarnessFailed ? why + "; " + probe.err : std::string();
}

// One line on stderr that begins with "faultline: ", nothing on stdout.
inline void expect_one_line(const ProcessResult& result) {
  EXPECT_FALSE(result.timed_out);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, testing::StartsWith("faultline: "));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_TRUE(result.err.ends_with('\n'));
}

// The same, with a second line that says where help is.
inline void expect_usage_error(const ProcessResult& result) {
  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, testing::StartsWith("faultline: "));
  EXPECT_LE(std::count(result.err.begin(), result.err.end(), '\n'), 2) << result.err;
}

}  // namespace faultline::test

// Each case that a row of the table names, before the judge, on each backend.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/differential/judge/judge.hpp"
#include "tests/fidelity/table.hpp"
#include "tests/support/pinned_file.hpp"
#include "tests/support/process.hpp"
#include "tests/support/recurring.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

std::string cli() {
  const char* other = std::getenv("FAULTLINE_CLI");
  return other != nullptr ? other : FAULTLINE_CLI;
}

std::string program(const std::string& name) { return std::string(FAULTLINE_GUEST_PROGRAMS) + "/" + name; }

// Empty when the hosted backend works here, otherwise what it says.
std::string why_no_hosted() {
  constexpr int kHarnessFailed = 125;
  const auto probe = run_process({.argv = {cli(), "run", "--backend", "hosted", "--", program("exit_status"), "0"}});
  return probe.status == kHarnessFailed ? probe.err : std::string();
}

Judgement judge_once(const std::string& backend, const std::string& name) {
  const ScratchFolder folder;
  const auto slash = name.find('/');
  return judge({.argv = {program("fidelity_" + name.substr(0, slash)), name.substr(slash + 1)},
                .options = {"--backend", backend},
                .cli = cli(),
                .folder = folder.path()});
}

Judgement judge_on(const std::string& backend, const std::string& name) {
  const PinnedFile pinned(program("fidelity_" + name.substr(0, name.find('/'))));
  Judgement judgement;
  recurring(
      3,
      [&] {
        judgement = judge_once(backend, name);
        return !judgement.differences.empty();
      },
      [&](bool) { return judgement.differences.front(); });
  return judgement;
}

void expect_equal(const Judgement& judgement) {
  for (const auto& difference : judgement.differences) ADD_FAILURE() << difference;
  if (judgement.differences.empty() && !judgement.faults_not_compared.empty()) {
    GTEST_SKIP() << "output, status and counters are equal; the faults were not compared: "
                 << judgement.faults_not_compared;
  }
}

class FidelityTest : public testing::TestWithParam<std::string> {};

TEST_P(FidelityTest, OnKvmAsNatively) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  expect_equal(judge_on("kvm", GetParam()));
}

TEST_P(FidelityTest, HostedAsNatively) {
  const Judgement judgement = judge_on("hosted", GetParam());
  if (!judgement.differences.empty()) {
    if (const auto why = why_no_hosted(); !why.empty()) GTEST_SKIP() << why;
  }
  expect_equal(judgement);
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  name[name.find('/')] = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Cases, FidelityTest, testing::ValuesIn(cases_of(fidelity_table())), test_name);

}  // namespace
}  // namespace faultline::test

// The matrix on the KVM at hand, in a small size; the default size is `ctest -L campaign`.
#include <gtest/gtest.h>

#include <algorithm>

#include "vmm/conform/conformance.hpp"
#include "vmm/conform/runner.hpp"

namespace faultline::vmm::conform {
namespace {

class Conform : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = kvm::System::open();
    if (!opened) GTEST_SKIP() << opened.error().message;
    system_.emplace(std::move(*opened));
    auto found = probe(*system_);
    ASSERT_TRUE(found) << found.error().message;
    capabilities_ = std::move(*found);
  }
  Verdict run(Request request) {
    request.baseline = Baseline::builtin().of(capabilities_.backend);
    auto verdict = run_matrix(*system_, capabilities_, request);
    EXPECT_TRUE(verdict) << verdict.error().message;
    return std::move(*verdict);
  }
  std::optional<kvm::System> system_;
  Capabilities capabilities_;
};

TEST_F(Conform, NothingDeviatesBeyondTheBaseline) {
  Request request;
  request.selection = {.cases = 12'000, .seed = 11};
  const Verdict verdict = run(request);
  EXPECT_TRUE(verdict.clean()) << verdict.to_text();
  EXPECT_GT(verdict.total().run(), 8'000U);
  // QEMU's TCG pushes no RF: there most faults deviate.
  if (!capabilities_.backend.ends_with("under TCG")) {
    EXPECT_GT(verdict.total().passed, verdict.total().known * 10);
  }
  EXPECT_GT(verdict.total().passed, 1'000U);
}

// A model that is wrong must be told so: of a processor with fewer address bits, and with 1 GiB pages or without.
TEST_F(Conform, AWrongModelIsNoticed) {
  Request request;
  request.selection = {.cases = 5'000, .seed = 11};
  request.section = "leaf";
  capabilities_.offered.cpu.huge_1g = !capabilities_.offered.cpu.huge_1g;
  const Verdict verdict = run(request);
  EXPECT_FALSE(verdict.clean());
}

TEST_F(Conform, ADeadVcpuCostsOneCase) {
  // HLT with nobody to wake it leaves the guest for good.
  Runner runner(*system_, capabilities_.offered, model::Paging::kFourLevel);
  ASSERT_TRUE(runner.prepare());
  const std::vector<Section> matrix = make_matrix(capabilities_.offered.cpu);
  std::vector<Case> cases;
  for (Case& c : plan(matrix, {.cases = 300, .seed = 1, .full = false, .available = capabilities_.features}).cases) {
    if (!capabilities_.missing(c)) cases.push_back(std::move(c));
  }
  runner.machine()->memory(kHandlers, 1).front() = std::byte{0xf4};
  for (unsigned v = 0; v < 32; ++v) runner.machine()->memory(kHandlers + v * 32, 1).front() = std::byte{0xf4};
  std::size_t taken = 0, unfinished = 0;
  const auto ran = runner.run(cases, [&](const Case&, const Observation& o) {
    ++taken;
    unfinished += !o.done;
    EXPECT_EQ(o.death.empty(), o.done);
  });
  ASSERT_TRUE(ran) << ran.error().message;
  EXPECT_EQ(taken, cases.size());
  EXPECT_EQ(unfinished, 1U) << "the next machine is sound";
  EXPECT_EQ(runner.deaths(), 1U);
}

TEST_F(Conform, OneCaseIsExplained) {
  const auto explained = explain_case(4'000'000'000'000'540, &*system_, &capabilities_, Baseline());
  ASSERT_TRUE(explained) << explained.error().message;
  EXPECT_NE(explained->text.find("got       no fault"), std::string::npos) << explained->text;
}

// One case that deviates here, with the baseline that knows it and with an empty one.
TEST_F(Conform, AKnownDeviationIsExplainedAsOne) {
  Request request;
  request.selection = {.cases = 20'000, .seed = 11};
  request.section = "straddle";
  const std::vector<Group> groups = run(request).groups();
  const auto known = std::ranges::find_if(groups, [](const Group& g) { return !g.known_as.empty(); });
  if (known == groups.end()) GTEST_SKIP() << "no deviation of this backend is known";
  const Baseline baseline = Baseline::builtin().of(capabilities_.backend);
  const auto explained = explain_case(known->minimal, &*system_, &capabilities_, baseline);
  ASSERT_TRUE(explained) << explained.error().message;
  EXPECT_TRUE(explained->passed) << explained->text;
  EXPECT_NE(explained->text.find("known     " + known->known_as + ": " + known->reason), std::string::npos)
      << explained->text;
  const auto news = explain_case(known->minimal, &*system_, &capabilities_, Baseline());
  ASSERT_TRUE(news) << news.error().message;
  EXPECT_FALSE(news->passed);
  EXPECT_EQ(news->text.find("known  "), std::string::npos) << news->text;
}

}  // namespace
}  // namespace faultline::vmm::conform

#include "vmm/conform/verdict.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace faultline::vmm::conform {
namespace {

constexpr model::Cpu kCpu{46, true, true, false};
constexpr const char* kDeviation = R"({"format": 1, "deviations": [{"id": "x", "backend": "kvm-a*",
  "rule": "right.*", "what": "error code without P", "who": "user", "reason": "because"}]})";

Case case_of(std::uint64_t number) { return *find_case(make_matrix(kCpu), number); }

// An end of the case that is as expected, but for the error code.
Observation faulting(const Case& c, std::uint32_t flip) {
  const model::Outcome o = expect(c, kCpu).front().outcome;
  Observation seen;
  seen.done = true;
  seen.vector = o.vector;
  seen.error = o.error ^ flip;
  seen.cr2 = o.cr2.raw();
  seen.cs = c.user ? 3 : 0;
  seen.rflags = c.user ? 0x10202 : 0x10002;
  seen.placed = {Gva(0x40'0000), Gva(0x40'0003)};
  seen.rip = seen.placed.instruction.raw();
  seen.entries.fill(~0ULL);
  for (unsigned level = c.leaf_a; level <= c.root_level(); ++level) seen.entries[level - 1] = c.a[level];
  return seen;
}

// User read of a page with U=0: section instructions, read8, user, P=1 W=1 U=0.
constexpr std::uint64_t kUserRead = 4'000'000'000'000'000 + 36 + 72 + 144 + 3456;

TEST(Verdict, TheErrorCodeIsComparedBitByBit) {
  const Case c = case_of(kUserRead);
  const Expectation e = expect(c, kCpu);
  ASSERT_EQ(e.front().outcome.error, 5U);
  EXPECT_FALSE(compare(c, e, faulting(c, 0)));
  const auto without_p = compare(c, e, faulting(c, 1));
  ASSERT_TRUE(without_p);
  EXPECT_EQ(without_p->what, "error code without P");
  EXPECT_EQ(compare(c, e, faulting(c, 9))->what, "error code without P with RSVD");
}

TEST(Verdict, EverythingElseIsCompared) {
  const Case c = case_of(kUserRead);
  const Expectation e = expect(c, kCpu);
  Observation o = faulting(c, 0);
  o.cr2 += 8;
  EXPECT_EQ(compare(c, e, o)->what, "CR2 off by 8");
  o = faulting(c, 0);
  o.rip += 1;
  EXPECT_EQ(compare(c, e, o)->what, "RIP is not that of the instruction");
  o = faulting(c, 0);
  o.rflags ^= 0x400;
  EXPECT_EQ(compare(c, e, o)->what, "RFLAGS differ in 0x400");
  o = faulting(c, 0);
  o.entries[0] |= 0x20;
  EXPECT_EQ(compare(c, e, o)->what, "A of the PTE set without need");
  o = faulting(c, 0);
  o.entries[2] ^= 1ULL << 52;
  EXPECT_EQ(compare(c, e, o)->what, "the PDPTE changed otherwise");
  o.done = false;
  o.death = "gone";
  EXPECT_EQ(compare(c, e, o)->what, "the vCPU died");
}

TEST(Verdict, CountsGroupsAndBaseline) {
  const Case c = case_of(kUserRead);
  const Expectation e = expect(c, kCpu);
  const auto baseline = Baseline::parse(kDeviation, "test");
  ASSERT_TRUE(baseline) << baseline.error().message;

  Verdict news(baseline->of("kvm-b"));
  news.add(c, e, "instructions", compare(c, e, faulting(c, 1)));
  news.add(c, e, "instructions", std::nullopt);
  EXPECT_FALSE(news.clean());
  ASSERT_EQ(news.groups().size(), 1U);
  EXPECT_EQ(news.groups()[0].minimal, kUserRead);
  EXPECT_NE(news.to_junit().find("failures=\"1\""), std::string::npos);
  EXPECT_EQ(news.to_json()["cases"], 2);

  Verdict known(baseline->of("kvm-a npt=0"));
  known.add(c, e, "instructions", compare(c, e, faulting(c, 1)));
  EXPECT_TRUE(known.clean());
  EXPECT_EQ(known.total().known, 1U);
  EXPECT_EQ(known.groups()[0].known_as, "x");
  known.add(c, e, "instructions", compare(c, e, faulting(c, 9)));
  EXPECT_FALSE(known.clean()) << "another difference is news";
}

TEST(Verdict, BadBaselinesAreErrorsThatNameThePlace) {
  const auto error = [](const char* text) {
    const auto parsed = Baseline::parse(text, "b.json");
    return parsed ? std::string("accepted") : parsed.error().message;
  };
  EXPECT_EQ(error("{"), "baseline b.json: not JSON");
  EXPECT_EQ(error("[]"), "baseline b.json: needs an array \"deviations\"");
  EXPECT_EQ(error(R"({"deviations": []})"), "baseline b.json: \"format\" is not 1");
  EXPECT_EQ(error(R"({"format": 1, "deviations": [7]})"), "baseline b.json: deviation 1 is no object");
  EXPECT_EQ(error(R"({"format": 1, "deviations": [{"id": "a"}]})"), "baseline b.json: deviation 1 lacks \"backend\"");
  EXPECT_EQ(error(R"({"format": 1, "deviations": [{"colour": "a"}]})"),
            "baseline b.json: deviation 1 has an unknown field \"colour\"");
  EXPECT_FALSE(Baseline::read("/no/such/file"));
  EXPECT_FALSE(Baseline::builtin().deviations().empty());
}

}  // namespace
}  // namespace faultline::vmm::conform

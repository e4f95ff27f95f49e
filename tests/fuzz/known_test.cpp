#include "vmm/fuzz/known.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/fuzz/fake_judge.hpp"

namespace faultline::vmm::fuzz {
namespace {

using Json = nlohmann::json;

Json rule() {
  return {{"id", "kvm-no-w"},    {"judges", {"kvm-*", "linux"}},
          {"field", "error"},    {"op", {"write *", "exchange *"}},
          {"reason", "because"}, {"source", "SDM, Page-Fault Exceptions"}};
}
std::string file(const std::vector<Json>& rules) { return Json{{"format", 1}, {"rules", rules}}.dump(); }

std::string error_of(const std::string& text) {
  const auto known = KnownDeviations::parse(text, "f.json");
  return known ? "" : known.error().message;
}
std::string error_with(const std::string& key, Json value) {
  Json r = rule();
  r[key] = std::move(value);
  return error_of(file({r}));
}

const Program kProgram{{map_at({0, 0}, 4096), write_at({0, 8}, 4), read_at({0, 8}, 4)}};

const Rule* explained(const Json& r, const Disagreement& d) {
  static KnownDeviations known;
  auto parsed = KnownDeviations::parse(file({r}), "f.json");
  EXPECT_TRUE(parsed) << parsed.error().message;
  known = std::move(*parsed);
  return known.explains(kProgram, d);
}

Disagreement wrong_error() { return {"kvm-pvm", "linux", 1, "error", "0x4 (U)", "0x6 (W U)"}; }

TEST(Known, ARuleExplainsWhatItMatches) {
  const Rule* r = explained(rule(), wrong_error());
  ASSERT_NE(r, nullptr);
  EXPECT_EQ(r->id, "kvm-no-w");
  EXPECT_EQ(r->reason, "because");
}

TEST(Known, EachPartOfARuleCounts) {
  Disagreement d = wrong_error();
  d.step = 2;
  EXPECT_EQ(explained(rule(), d), nullptr) << "a read";
  d = wrong_error();
  d.step = 3;
  EXPECT_EQ(explained(rule(), d), nullptr) << "the end";
  d = wrong_error();
  d.field = "address";
  EXPECT_EQ(explained(rule(), d), nullptr);
  d = wrong_error();
  d.first = "hosted";
  EXPECT_EQ(explained(rule(), d), nullptr);
  Json r = rule();
  r["values"] = {"0x4 *", "0x6 *"};
  EXPECT_NE(explained(r, wrong_error()), nullptr);
  r["values"] = {"0x6 *", "0x4 *"};
  EXPECT_EQ(explained(r, wrong_error()), nullptr);
  r = rule();
  r["backend"] = "hosted";
  EXPECT_EQ(explained(r, wrong_error()), nullptr);
  r["backend"] = "kvm-pvm";
  EXPECT_NE(explained(r, wrong_error()), nullptr);
  r["with"] = {"map * anonymous *"};
  EXPECT_NE(explained(r, wrong_error()), nullptr);
  r["with"] = {"map * anonymous *", "read *"};
  EXPECT_EQ(explained(r, wrong_error()), nullptr) << "the read is later";
  r["with"] = {"write *"};
  EXPECT_NE(explained(r, wrong_error()), nullptr) << "the step itself";
}

TEST(Known, ARuleMayAskForAnAccessAcrossPages) {
  Json r = rule();
  r["across"] = {"write *"};
  const auto parsed = KnownDeviations::parse(file({r}), "f.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  constexpr std::int32_t kEnd = kPageSize;
  const auto explains = [&](std::vector<Operation> operations) {
    Disagreement d = wrong_error();
    d.step = operations.size() - 1;
    return parsed->explains({std::move(operations)}, d) != nullptr;
  };
  EXPECT_FALSE(explains({write_at({0, kEnd - 4}, 4)}));
  EXPECT_TRUE(explains({write_at({0, kEnd - 3}, 4)}));
  EXPECT_TRUE(explains({write_at({0, kEnd - 1}, 2), write_at({0, 8}, 4)})) << "before the step";
  EXPECT_FALSE(explains({read_at({0, kEnd - 1}, 2), write_at({0, 8}, 4)})) << "another pattern";
  r["across"] = {"fetch *"};
  const auto fetches = KnownDeviations::parse(file({r}), "f.json");
  ASSERT_TRUE(fetches);
  const Operation fetch{Op::kFetch, {pack({0, kEnd - 1})}}, within{Op::kFetch, {pack({0, kEnd - 2})}};
  Disagreement d = wrong_error();
  EXPECT_NE(fetches->explains({{fetch, write_at({0, 8}, 4)}}, d), nullptr);
  EXPECT_EQ(fetches->explains({{within, write_at({0, 8}, 4)}}, d), nullptr);
}

TEST(Known, OneRuleMayBeOfSeveralFields) {
  Json r = rule();
  r["field"] = {"counts", "err*"};
  EXPECT_NE(explained(r, wrong_error()), nullptr);
  r["field"] = {"counts", "bytes"};
  EXPECT_EQ(explained(r, wrong_error()), nullptr);
  r["op"] = "write *";
  r["field"] = "error";
  EXPECT_NE(explained(r, wrong_error()), nullptr);
}

TEST(Known, TheOrderOfTheJudgesDoesNotMatterButValuesGoWithThem) {
  Json r = rule();
  r["values"] = {"0x4 *", "0x6 *"};
  EXPECT_NE(explained(r, {"linux", "kvm-pvm", 1, "error", "0x6 (W U)", "0x4 (U)"}), nullptr);
  EXPECT_EQ(explained(r, {"linux", "kvm-pvm", 1, "error", "0x4 (U)", "0x6 (W U)"}), nullptr);
}

TEST(Known, TheEndHasANameOfItsOwn) {
  Json r = rule();
  r["op"] = {"end"};
  Disagreement d = wrong_error();
  EXPECT_EQ(explained(r, d), nullptr);
  d.step = 3;
  EXPECT_NE(explained(r, d), nullptr);
}

TEST(Known, WhatIsWrongIsRefusedWithItsPlace) {
  EXPECT_EQ(error_of("{\"format\": 1,, }"), "f.json: byte 14: is no JSON");
  EXPECT_EQ(error_of("1e999"), "f.json: a number is out of range");
  EXPECT_EQ(error_of(R"({"format": 2, "rules": []})"), "f.json: \"format\" is not 1");
  EXPECT_EQ(error_of(R"({"format": 1})"), "f.json: needs a list \"rules\"");
  EXPECT_EQ(error_of(R"({"format": 1, "rules": [], "rule": []})"), "f.json: unknown key \"rule\"");
  EXPECT_EQ(error_of(file({rule(), 3})), "f.json: rule 2: is no object");
  EXPECT_EQ(error_of(file({rule(), rule()})), "f.json: rule 2: there is another \"kvm-no-w\"");
  EXPECT_EQ(error_with("ops", "x"), "f.json: rule 1: unknown key \"ops\"");
  EXPECT_EQ(error_with("a\nb", "x"), "f.json: rule 1: unknown key \"a\\nb\"");
  EXPECT_EQ(error_with("reason", ""), "f.json: rule 1: \"reason\" is no text");
  EXPECT_EQ(error_with("reason", 7), "f.json: rule 1: \"reason\" is no text");
  EXPECT_EQ(error_with("field", "[ab"), "f.json: rule 1: \"field\" is no pattern: '[' without ']' in \"[ab\"");
  EXPECT_EQ(error_with("field", "[]"), "f.json: rule 1: \"field\" is no pattern: '[' without ']' in \"[]\"");
  EXPECT_EQ(error_with("field", "[]a]"), "");
  EXPECT_EQ(error_with("op", Json::array()), "f.json: rule 1: \"op\" is no list of patterns");
  EXPECT_EQ(error_with("op", 7), "f.json: rule 1: \"op\" is no list of patterns");
  EXPECT_EQ(error_with("field", {"a", "[b"}),
            "f.json: rule 1: \"field\" entry 2 is no pattern: '[' without ']' in \"[b\"");
  EXPECT_EQ(error_with("op", {"a", 1}), "f.json: rule 1: \"op\" entry 2 is no text");
  EXPECT_EQ(error_with("judges", {"a"}), "f.json: rule 1: \"judges\" is no list of two patterns");
  for (const char* key : {"id", "judges", "field", "op", "reason", "source"}) {
    Json r = rule();
    r.erase(key);
    EXPECT_EQ(error_of(file({r})), std::string("f.json: rule 1: lacks \"") + key + "\"");
  }
}

TEST(Known, TheBuiltInOnesAreRead) {
  const auto known = KnownDeviations::built_in();
  ASSERT_TRUE(known) << known.error().message;
  const auto same = KnownDeviations::load(FAULTLINE_SOURCE "/vmm/fuzz/known-deviations.json");
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_EQ(known->rules().size(), same->rules().size());
  EXPECT_FALSE(KnownDeviations::load("/nonexistent/known.json"));
}

TEST(Known, FilesAddUpUnlessTheyRepeatAnId) {
  auto a = KnownDeviations::parse(file({rule()}), "a");
  Json other = rule();
  other["id"] = "other";
  ASSERT_TRUE(a->add(*KnownDeviations::parse(file({other}), "b")));
  EXPECT_EQ(a->rules().size(), 2U);
  EXPECT_FALSE(a->add(*KnownDeviations::parse(file({other}), "b")));
  EXPECT_EQ(a->rules().size(), 2U);
}

}  // namespace
}  // namespace faultline::vmm::fuzz

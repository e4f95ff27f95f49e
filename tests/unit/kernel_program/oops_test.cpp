// The text and the JSON record of each kind of oops, byte by byte against tests/unit/kernel_program/golden.
// Where a change of them is meant: FAULTLINE_UPDATE_GOLDEN=1 faultline_unit_tests --gtest_filter='Oops*'
// writes the files anew, and their difference is looked at before it is committed.
#include "vmm/kernel/oops.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/unit/kernel_program/oops_samples.hpp"

namespace faultline::vmm::kernel {
namespace {

using testing::HasSubstr;

const std::filesystem::path kGolden = FAULTLINE_SOURCE "/tests/unit/kernel_program/golden";

std::string golden(const std::filesystem::path& name) {
  std::ifstream file(kGolden / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A line for each field, so that a change can be read.
std::string readable(const std::string& json) { return nlohmann::ordered_json::parse(json).dump(1) + "\n"; }

TEST(OopsGolden, TextAndRecordAreWhatTheyWere) {
  const bool update = std::getenv("FAULTLINE_UPDATE_GOLDEN") != nullptr;
  if (update) {
    std::filesystem::remove_all(kGolden);
    std::filesystem::create_directories(kGolden);
  }
  std::set<std::string> known;
  for (const auto& [name, oops] : oops_samples()) {
    SCOPED_TRACE(name);
    for (const auto& [file, now] :
         {std::pair{name + ".txt", to_text(oops)}, {name + ".json", readable(to_json(oops))}}) {
      known.insert(file);
      if (update) std::ofstream(kGolden / file, std::ios::binary) << now;
      EXPECT_EQ(golden(file), now);
    }
  }
  for (const auto& file : std::filesystem::directory_iterator(kGolden))
    EXPECT_TRUE(known.contains(file.path().filename())) << file.path() << " belongs to no sample";
  if (update) GTEST_SKIP() << "wrote " << known.size() << " golden files: nothing was compared";
}

TEST(OopsGolden, EveryKindHasASample) {
  std::set<OopsKind> kinds;
  for (const auto& [name, oops] : oops_samples()) kinds.insert(oops.kind);
  for (unsigned i = 0; i <= static_cast<unsigned>(OopsKind::kException); ++i) {
    const auto kind = static_cast<OopsKind>(i);
    EXPECT_TRUE(kinds.contains(kind)) << name(kind);
    EXPECT_NE(name(kind), "?");
  }
}

// What a record holds: its numbers, and the words of its strings and keys.
struct Values {
  std::set<std::uint64_t> numbers;
  std::set<std::string> words;
};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// Words without the punctuation around and between them: "read_at+0x10/0x1a" is three.
std::vector<std::string> words_of(std::string text) {
  for (char& c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') c = ' ';
  }
  std::istringstream stream(lower(text));
  return {std::istream_iterator<std::string>(stream), {}};
}

std::optional<std::uint64_t> number_of(const std::string& word) {
  const std::string digits = word.starts_with("0x") ? word.substr(2) : word;
  if (digits.empty() || digits.size() > 16 || digits.find_first_not_of("0123456789abcdef") != std::string::npos)
    return std::nullopt;
  return std::stoull(digits, nullptr, 16);
}

void collect(const nlohmann::ordered_json& json, Values& to) {
  if (json.is_number_unsigned()) to.numbers.insert(json.get<std::uint64_t>());
  if (json.is_string()) {
    for (const std::string& word : words_of(json.get<std::string>())) {
      to.words.insert(word);
      if (const auto number = number_of(word)) to.numbers.insert(*number);
    }
  }
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) to.words.insert(lower(key));
  }
  if (json.is_structured()) {
    for (const auto& value : json) collect(value, to);
  }
}

// The words of the text that say nothing by themselves: what its lines are made of.
const std::set<std::string> kLabels = {
    "pf",     "in", "mode",   "error_code", "decided", "by", "oops", "cpu", "program", "rip", "code", "rsp",
    "eflags", "fs", "gs",     "efer",       "cs",      "ss", "cr0",  "cr2", "cr3",     "cr4", "call", "trace",
    "end",    "of", "access", "bad",        "cannot",  "be", "read", "at",  "r08",     "r09"};

std::vector<std::string> missing_from_record(const std::string& text, const std::string& json) {
  Values values;
  collect(nlohmann::ordered_json::parse(json), values);
  std::vector<std::string> missing;
  for (const std::string& word : words_of(text)) {
    if (kLabels.contains(word) || values.words.contains(word)) continue;
    const auto number = number_of(word);
    if (!number || !values.numbers.contains(*number)) missing.push_back(word);
  }
  return missing;
}

TEST(OopsGolden, EveryFieldOfTheTextIsInTheRecord) {
  for (const auto& [name, oops] : oops_samples()) {
    SCOPED_TRACE(name);
    EXPECT_THAT(missing_from_record(to_text(oops), to_json(oops)), testing::IsEmpty());
    const auto record = nlohmann::json::parse(to_json(oops));
    EXPECT_EQ(record["table_outside_memory"], to_text(oops).find(" BAD") != std::string::npos);
  }
}

// The comparison above finds a field that only the text has: each of the record is left out once.
TEST(OopsGolden, AFieldThatTheRecordLacksIsNoticed) {
  const Oops oops = oops_samples().front().oops;
  const auto record = nlohmann::ordered_json::parse(to_json(oops));
  for (const auto& [name, value] : record["registers"].items()) {
    if (name == "cr2" || name == "rip" || name == "ss" || name == "cs") continue;  // said elsewhere as well
    auto less = record;
    less["registers"].erase(name);
    EXPECT_THAT(missing_from_record(to_text(oops), less.dump()), testing::Not(testing::IsEmpty())) << name;
  }
  for (const char* name : {"path", "trace", "code", "function", "program", "kind", "message"}) {
    auto less = record;
    less[name] = nullptr;
    if (name == std::string("program") || name == std::string("kind")) less["message"] = nullptr;
    EXPECT_THAT(missing_from_record(to_text(oops), less.dump()), testing::Not(testing::IsEmpty())) << name;
  }
}

TEST(OopsGolden, AProgramsNameIsOneFieldWhateverIsInIt) {
  Oops oops = oops_samples().front().oops;
  oops.program = "a \"b\"\\\n\xff";
  const auto record = nlohmann::json::parse(to_json(oops));
  EXPECT_THAT(record["program"].get<std::string>(), HasSubstr("a \"b\"\\\n"));
}

}  // namespace
}  // namespace faultline::vmm::kernel

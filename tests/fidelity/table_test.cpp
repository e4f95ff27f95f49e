// The table and the tests agree, and the document is the table's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include "tests/fidelity/document.hpp"
#include "tests/fidelity/table.hpp"
#include "tests/support/process.hpp"

namespace faultline::test {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The cases that the programs list when they are run without one.
std::vector<std::string> cases_of_programs() {
  std::set<std::string> cases;
  for (const auto& file : std::filesystem::directory_iterator(FAULTLINE_GUEST_PROGRAMS)) {
    const std::string name = file.path().filename();
    const std::string prefix = "fidelity_";
    if (!name.starts_with(prefix) || !file.is_regular_file()) continue;
    std::istringstream list(run_process({.argv = {file.path()}}).out);
    for (std::string line; std::getline(list, line);) cases.insert(name.substr(prefix.size()) + "/" + line);
  }
  return {cases.begin(), cases.end()};
}

bool has_test(const UnitTest& unit) {
  const auto dot = unit.name.find('.');
  const std::regex declared("TEST(_F|_P)?\\(\\s*" + unit.name.substr(0, dot) + "\\s*,\\s*" + unit.name.substr(dot + 1) +
                            "\\s*\\)");
  return std::regex_search(contents(std::string(FAULTLINE_SOURCE) + "/" + unit.source), declared);
}

TEST(FidelityTableTest, NamesEveryCaseAndNoOther) { EXPECT_EQ(cases_of(fidelity_table()), cases_of_programs()); }

TEST(FidelityTableTest, EveryUnitTestIsWhereItSays) {
  for (const auto& section : fidelity_table()) {
    for (const auto& row : section.rows) {
      for (const auto& unit : row.units) {
        EXPECT_TRUE(has_test(unit)) << "row " << row.id << ": " << unit.name << " in " << unit.source;
      }
    }
  }
}

TEST(FidelityTableTest, UnitTestsThatDoNotExistAreNoticed) {
  const std::string here = "tests/fidelity/table_test.cpp";
  EXPECT_TRUE(has_test({"FidelityTableTest.EveryUnitTestIsWhereItSays", here}));
  EXPECT_FALSE(has_test({"FidelityTableTest.EveryUnitTestIsWhereItSay", here}));
  EXPECT_FALSE(has_test({"FidelityTableTest.EveryUnitTestIsWhereItSays", "tests/fidelity/nowhere.cpp"}));
}

TEST(FidelityTableTest, EveryRowStandsOnceAndSaysHowItIsChecked) {
  std::set<std::string> seen;
  for (const auto& section : fidelity_table()) {
    for (const auto& row : section.rows) {
      EXPECT_TRUE(seen.insert(row.id).second) << row.id << " stands twice";
      EXPECT_TRUE(row.id.starts_with(section.number + ".")) << row.id << " in section " << section.number;
      EXPECT_FALSE(row.what.empty()) << row.id;
      const bool checked = !row.cases.empty() || !row.units.empty();
      EXPECT_TRUE(checked || !row.unseen.empty() || !row.noise.empty() || !row.open.empty())
          << row.id << " does not say how it is checked";
    }
  }
}

TEST(FidelityTableTest, DocumentIsWhatTheTableSays) {
  EXPECT_EQ(contents(kFidelityDocument), fidelity_document(fidelity_table()))
      << "made anew by: cmake --build DIR --target fidelity_document";
}

}  // namespace
}  // namespace faultline::test

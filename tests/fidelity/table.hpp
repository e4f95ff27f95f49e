// The table of rows: what Linux's page-fault path must do, one row a behaviour, and how each is checked.
#pragma once

#include <string>
#include <vector>

namespace faultline::test {

struct UnitTest {
  std::string name;    // Suite.Name
  std::string source;  // where it stands, relative to the root of the tree
};

enum class RowState {
  kDifferential,  // by cases before the judge, by unit tests as well perhaps
  kUnit,          // by unit tests alone
  kNotObservable,
  kNotCompared,  // native noise that the judge leaves out
  kOpen,
};

struct FidelityRow {
  std::string id;                       // section.row
  std::string what;                     // in a line
  std::vector<std::string> cases = {};  // program/case
  std::vector<UnitTest> units = {};
  std::string unseen = {};     // why no program can see it
  std::string noise = {};      // why it is not compared, and how it is left out
  std::string open = {};       // what is missing
  std::string deviation = {};  // what is done otherwise on purpose
  [[nodiscard]] RowState state() const;
};

struct FidelitySection {
  std::string number, title;
  std::vector<FidelityRow> rows;
};

std::string to_string(RowState state);

// From tests/fidelity/rows.json; aborts with a message when the file isn't what it should be: a test or tool has
// nothing to do without it.
std::vector<FidelitySection> fidelity_table();

// Every case that a row names, sorted, each once.
std::vector<std::string> cases_of(const std::vector<FidelitySection>& table);

}  // namespace faultline::test

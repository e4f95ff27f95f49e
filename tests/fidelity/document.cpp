#include "tests/fidelity/document.hpp"

#include <array>
#include <map>
#include <sstream>

namespace faultline::test {
namespace {

constexpr const char* kIntroduction =
    R"(# How faithful to Linux

Every behaviour of Linux's x86 page-fault path that Faultline is held to, a row each, and how it is checked. The page
is made from `tests/fidelity/rows.json` by the build target `fidelity_document`; a test fails when it is not what the
table says, when a row names a case or unit test that does not exist, or when a case is named by no row.

| state | meaning |
|---|---|
| differential | cases of `guest/programs/fidelity` run natively and in the guest, on KVM and hosted, before the judge (`tests/differential/judge`): output, status, fault counters, and every page fault of user code in order with address, error code and instruction, must be equal to what the kernel of the machine does |
| unit | nothing that a program can see on the machine: a unit test against the written rule, in the source named |
| not observable | neither; the row says why |
| not compared | the kernel itself does not do the same twice; the row says how the judge leaves it out |
| open | not done, or not all of it: the row says what is missing |

A case `program/name` is `fidelity_program name`. Natively it runs pinned to one CPU, without address randomisation
and without transparent huge pages. Where the tracepoint `exceptions:page_fault_user` cannot be opened, output, status
and counters are compared, and the test is reported as skipped with the reason.

)";

// A bar would end the cell.
std::string cell(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

void separate(std::string& text, const std::string& more) {
  if (!text.empty()) text += "; ";
  text += more;
}

std::string checks(const FidelityRow& row) {
  std::string text;
  for (const auto& name : row.cases) separate(text, "`" + name + "`");
  for (const auto& unit : row.units) separate(text, "`" + unit.name + "` in " + unit.source);
  if (!row.unseen.empty()) separate(text, row.unseen);
  if (!row.noise.empty()) separate(text, row.noise);
  if (!row.open.empty()) separate(text, "missing: " + row.open);
  if (!row.deviation.empty()) separate(text, "deviation: " + row.deviation);
  return text;
}

void write_totals(std::ostream& out, const std::vector<FidelitySection>& table) {
  constexpr std::array kStates = {RowState::kDifferential, RowState::kUnit, RowState::kNotObservable,
                                  RowState::kNotCompared, RowState::kOpen};
  out << "| section | rows |";
  for (const auto state : kStates) out << " " << to_string(state) << " |";
  out << "\n|---|---|---|---|---|---|---|\n";
  for (const auto& section : table) {
    std::map<RowState, int> count;
    for (const auto& row : section.rows) ++count[row.state()];
    out << "| " << section.number << " " << section.title << " | " << section.rows.size() << " |";
    for (const auto state : kStates) out << " " << count[state] << " |";
    out << "\n";
  }
  out << "\nCases: " << cases_of(table).size() << ".\n";
}

}  // namespace

std::string fidelity_document(const std::vector<FidelitySection>& table) {
  std::ostringstream out;
  out << kIntroduction;
  write_totals(out, table);
  for (const auto& section : table) {
    out << "\n## " << section.number << " " << section.title
        << "\n\n| row | behaviour | state | how |\n|---|---|---|---|\n";
    for (const auto& row : section.rows) {
      out << "| " << row.id << " | " << cell(row.what) << " | " << to_string(row.state()) << " | " << cell(checks(row))
          << " |\n";
    }
  }
  return out.str();
}

}  // namespace faultline::test

// One row of the differential tables: a program, run natively and in the guest.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/process.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {

enum class Stderr { kCompared, kIgnored };

struct Row {
  std::string name;                               // of the test: letters, digits, underscores
  std::vector<std::string> argv = {};             // "@name" is a guest program, "%" the scratch folder
  std::string stdin_bytes = {};                   // given to both
  std::map<std::string, std::string> files = {};  // in the scratch folder, where both run
  // A file "noise" of this size beside them, made when the row runs: tables are built in every process.
  std::optional<std::size_t> noise_bytes = {};
  Stderr stderr_bytes = Stderr::kCompared;
  std::chrono::seconds timeout{60};
};

// Bytes without pattern, always the same.
std::string noise(std::size_t bytes);

void PrintTo(const Row& row, std::ostream* out);

std::string cli_path();
std::string guest_program(const std::string& name);
// The row's command with its words expanded: what is run, in `folder`.
std::vector<std::string> expand(const std::vector<std::string>& argv, const std::string& folder);

// Runs `faultline run OPTIONS -- ARGV` in a folder.
ProcessResult run_in_guest(const std::vector<std::string>& options, const Row& row, const std::string& folder);
ProcessResult run_natively(const Row& row, const std::string& folder);

// Leaves in a folder what the row wants to find there, and nothing else.
void populate(const ScratchFolder& folder, const Row& row);

// Empty when the hosted backend works here, otherwise why the test is skipped.
std::string why_no_hosted();

// A capability of the hosted backend, by the name that doctor gives it.
bool hosted_can(const std::string& capability);

// Runs both and reports every difference as a test failure.
void expect_same(const Row& row, const std::vector<std::string>& options = {});

}  // namespace faultline::test

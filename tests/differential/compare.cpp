#include "tests/differential/compare.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace faultline::test {
namespace {

// A fault report may follow what a killed program wrote to stderr.
bool same_stderr(const ProcessResult& native, const ProcessResult& guest) {
  return native.status > 128 ? guest.err.starts_with(native.err) : guest.err == native.err;
}

// Where two long outputs part: nobody wants to see 64 MiB of them.
std::string first_difference(const std::string& a, const std::string& b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto at = static_cast<std::size_t>(x - a.begin());
  const std::size_t from = at < 200 ? 0 : at - 200;
  return "first difference at byte " + std::to_string(at) + " of " + std::to_string(a.size()) + " and " +
         std::to_string(b.size()) + "\nnative: ..." + a.substr(from, 400) + "\nguest:  ..." + b.substr(from, 400);
}

}  // namespace

std::vector<std::string> expand(const std::vector<std::string>& argv, const std::string& folder) {
  std::vector<std::string> result;
  for (const auto& word : argv) {
    if (word == "%") {
      result.push_back(folder);
    } else if (word.starts_with('@')) {
      result.push_back(guest_program(word.substr(1)));
    } else {
      result.push_back(word);
    }
  }
  return result;
}

std::string noise(std::size_t bytes) {
  std::string result(bytes, '\0');
  std::uint64_t state = 88172645463325252u;
  for (auto& byte : result) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state >> 32);
  }
  return result;
}

void populate(const ScratchFolder& folder, const Row& row) {
  folder.clear();
  for (const auto& [name, bytes] : row.files) folder.write(name, bytes);
  if (row.noise_bytes) folder.write("noise", noise(*row.noise_bytes));
}

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

std::string cli_path() {
  const char* other = std::getenv("FAULTLINE_CLI");
  return other != nullptr ? other : FAULTLINE_CLI;
}

std::string guest_program(const std::string& name) { return std::string(FAULTLINE_GUEST_PROGRAMS) + "/" + name; }

ProcessResult run_in_guest(const std::vector<std::string>& options, const Row& row, const std::string& folder) {
  ProcessRequest request{.stdin_bytes = row.stdin_bytes, .folder = folder, .timeout = row.timeout};
  request.argv = {cli_path(), "run"};
  request.argv.insert(request.argv.end(), options.begin(), options.end());
  request.argv.emplace_back("--");
  const auto program = expand(row.argv, folder);
  request.argv.insert(request.argv.end(), program.begin(), program.end());
  return run_process(request);
}

ProcessResult run_natively(const Row& row, const std::string& folder) {
  ProcessRequest request{.stdin_bytes = row.stdin_bytes, .folder = folder, .timeout = row.timeout};
  request.argv = expand(row.argv, folder);
  request.conditions = Conditions::kOracle;
  return run_process(request);
}

std::string why_no_hosted() {
  constexpr int kHarnessFailed = 125;
  const Row row{.name = "probe", .argv = {"@exit_status", "0"}};
  const ProcessResult probe = run_in_guest({"--backend", "hosted"}, row, "/");
  return probe.status == kHarnessFailed ? probe.err : std::string();
}

bool hosted_can(const std::string& capability) {
  const ProcessResult doctor = run_process({.argv = {cli_path(), "doctor", "--json"}});
  const auto report = nlohmann::json::parse(doctor.out, nullptr, false);
  return !report.is_discarded() && report["hosted_capabilities"].value(capability, "") == "yes";
}

void expect_same(const Row& row, const std::vector<std::string>& options) {
  const ScratchFolder folder;
  populate(folder, row);
  const ProcessResult native = run_natively(row, folder.path());
  ASSERT_FALSE(native.timed_out) << "natively";
  const auto native_files = folder.contents();

  populate(folder, row);
  const ProcessResult guest = run_in_guest(options, row, folder.path());
  ASSERT_FALSE(guest.timed_out) << "in the guest; it said:\n" << guest.out << guest.err;

  EXPECT_TRUE(native.out == guest.out) << "stdout: " << first_difference(native.out, guest.out);
  EXPECT_EQ(native.status, guest.status) << "stderr of the guest:\n" << guest.err;
  if (row.stderr_bytes == Stderr::kCompared) {
    EXPECT_TRUE(same_stderr(native, guest)) << "stderr: " << first_difference(native.err, guest.err);
  }
  EXPECT_TRUE(native_files == folder.contents()) << "the files left behind differ";
}

}  // namespace faultline::test

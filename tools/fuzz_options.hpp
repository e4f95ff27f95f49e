// `faultline fuzz`: a campaign, or what is done with one program or finding.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace faultline::tools {

enum class FuzzAction : std::uint8_t { kCampaign, kReplay, kMinimize, kRun, kGenerate };

struct FuzzOptions {
  FuzzAction action = FuzzAction::kCampaign;
  std::string path;                   // the campaign's folder; of others: their FILE or FOLDER
  std::optional<std::uint64_t> seed;  // none: one of its own
  std::uint64_t jobs = 1;
  std::chrono::milliseconds time{0};  // 0: no limit
  std::uint64_t programs = 0;         // 0: no limit
  std::vector<std::string> judges;    // empty: those that there are
  std::string backend = "auto";
  std::string known;  // a file, "none", or empty: the built-in rules
  std::string output;
  std::uint64_t operations = 24;
  bool json = false, raw = false, failures = false;
};

// Adds the command with its own commands. `options` must outlive the parsing.
CLI::App* add_fuzz_command(CLI::App& app, FuzzOptions& options);
// After the parsing: what CLI11 does not check. Throws CLI::ValidationError.
void check_fuzz_options(const CLI::App& fuzz, FuzzOptions& options);

}  // namespace faultline::tools

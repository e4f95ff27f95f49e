// `faultline conform`: does paging behave here as the manual says?
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tools/commands.hpp"
#include "tools/complain.hpp"
#include "tools/files.hpp"
#include "tools/json_output.hpp"
#include "tools/output.hpp"
#include "vmm/conform/conformance.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

namespace {

using namespace vmm::conform;

// One line that is drawn over again, where somebody looks at it.
class ProgressBar {
 public:
  ProgressBar() : shown_(::isatty(STDERR_FILENO) == 1), start_(std::chrono::steady_clock::now()) {}
  ~ProgressBar() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void draw(std::uint64_t done, std::uint64_t of) const {
    if (!shown_ || done == 0) return;
    constexpr std::uint64_t kWidth = 30;
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const double rate = static_cast<double>(done) / elapsed;
    const std::string bar(done * kWidth / of, '#');
    fmt::print(stderr, "\r[{:<30}] {:3}%  {} of {} cases, {:.0f} a second, {:.0f} s left \x1b[K", bar, done * 100 / of,
               done, of, rate, static_cast<double>(of - done) / rate);
    std::fflush(stderr);
  }

 private:
  bool shown_;
  std::chrono::steady_clock::time_point start_;
};

bool known_section(const std::string& name) {
  for (const Section& s : make_matrix({})) {
    if (s.name == name) return true;
  }
  return false;
}

bool known_rule(const std::string& name) {
  for (unsigned i = 0; i < model::kRules; ++i) {
    if (model::name(static_cast<model::Rule>(i)) == name) return true;
  }
  return false;
}

Result<Baseline> load_baseline(const std::string& file) {
  if (file.empty()) return Baseline::builtin();
  if (file == "none") return Baseline();
  return Baseline::read(file);
}

// What cannot be asked for; empty when all is well.
std::string wrong_filter(const ConformOptions& o) {
  if (!o.rule.empty() && !known_rule(o.rule)) return fmt::format("--rule: no rule '{}' (see --list)", o.rule);
  if (!o.section.empty() && !known_section(o.section))
    return fmt::format("--section: no section '{}' (see --list)", o.section);
  if (!o.feature.empty() && !find_feature(o.feature))
    return fmt::format("--feature: no feature '{}' (see --list)", o.feature);
  return "";
}

int report(const ConformOptions& options, const Verdict& verdict) {
  // What took a while is printed even where the file cannot be written.
  const std::string text = options.json ? versioned(verdict.to_json()) : verdict.to_text();
  const int status = print(text, verdict.clean() ? 0 : 1);
  if (options.junit.empty()) return status;
  std::ofstream out(options.junit);
  out << verdict.to_junit();
  out.close();
  if (!out)
    return complain_with(vmm::kExitHarness, fmt::format("--junit: {}: {}", options.junit, std::strerror(errno)));
  return status;
}

int explain(std::uint64_t number, const vmm::kvm::System* system, const Capabilities* capabilities,
            const Baseline& baseline) {
  const auto explained = explain_case(number, system, capabilities, baseline);
  if (!explained) return complain_with(vmm::kExitUsage, explained.error().message);
  return print(explained->text, explained->passed ? 0 : 1);
}

}  // namespace

int conform_command(const ConformOptions& options) {
  if (options.list) return print(list_matrix(), 0);
  if (const std::string wrong = wrong_filter(options); !wrong.empty()) return complain_with(vmm::kExitUsage, wrong);
  auto baseline = load_baseline(options.baseline);
  if (!baseline) return complain_with(vmm::kExitUsage, baseline.error().message);
  Request request;
  request.selection = {options.cases, options.seed, options.full};
  request.rule = options.rule;
  request.feature = options.feature;
  request.section = options.section;
  if (const std::string wrong = options.junit.empty() ? "" : unwritable(options.junit); !wrong.empty())
    return complain_with(vmm::kExitUsage, "--junit: " + wrong);
  if (options.model_only) {
    if (options.number) return explain(*options.number, nullptr, nullptr, *baseline);
    return report(options, compare_walkers(request));
  }

  const auto system = vmm::kvm::System::open();
  if (!system) return complain_with(vmm::kExitHarness, system.error().message + "; --model-only needs no KVM");
  const auto capabilities = probe(*system);
  if (!capabilities) return complain_with(vmm::kExitHarness, capabilities.error().message);
  request.baseline = baseline->of(capabilities->backend);
  if (options.number) return explain(*options.number, &*system, &*capabilities, request.baseline);
  const ProgressBar bar;
  request.progress = [&bar](std::uint64_t done, std::uint64_t of) { bar.draw(done, of); };
  auto verdict = run_matrix(*system, *capabilities, request);
  if (!verdict) return complain_with(vmm::kExitHarness, verdict.error().message);
  return report(options, *verdict);
}

}  // namespace faultline::tools

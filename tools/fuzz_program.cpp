#include "tools/fuzz_program.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>

#include "tools/complain.hpp"
#include "tools/output.hpp"
#include "vmm/fuzz/binary.hpp"
#include "vmm/fuzz/campaign/examine.hpp"
#include "vmm/fuzz/campaign/files.hpp"
#include "vmm/fuzz/campaign/judges.hpp"
#include "vmm/fuzz/campaign/signals.hpp"
#include "vmm/fuzz/finding/finding.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/shrink.hpp"
#include "vmm/fuzz/text.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

using namespace vmm::fuzz;

namespace {

// Judges at work on one program after the other, in this process.
struct Bench {
  Tally tally;
  KnownDeviations known;
  std::unique_ptr<Panel> panel;
  std::unique_ptr<Examiner> examiner;
};

struct Refusal {
  int status;
  std::string message;
};
Refusal harness(const Error& error) { return {vmm::kExitHarness, error.message}; }

tl::expected<std::unique_ptr<Bench>, Refusal> make_bench(const FuzzOptions& options) {
  auto known = load_known(options.known);
  if (!known) return tl::unexpected(Refusal{vmm::kExitUsage, known.error().message});
  const auto names = chosen_judges(options);
  if (!names) return tl::unexpected(harness(names.error()));
  auto judges = make_judges(*names, options.backend);
  if (!judges) return tl::unexpected(harness(judges.error()));
  auto bench = std::make_unique<Bench>();
  bench->known = std::move(*known);
  bench->panel = std::make_unique<Panel>(std::move(*judges), bench->tally, nullptr);
  bench->examiner = std::make_unique<Examiner>(*bench->panel, bench->known, bench->tally);
  return bench;
}

// All that is wrong with a program: the earliest first.
struct Verdict {
  std::vector<Trace> traces;
  std::vector<std::string> failures;
  std::vector<Suspicion> suspicions;
};
Verdict judge(Bench& bench, const Program& program) {
  std::vector<std::optional<Opinion>> opinions;
  bench.panel->ask_here(program, true, opinions);
  Verdict verdict;
  verdict.suspicions = bench.examiner->examine(program, opinions);
  for (std::size_t i = 0; i < opinions.size(); ++i) {
    if (opinions[i]->trace) {
      verdict.traces.push_back(std::move(*opinions[i]->trace));
    } else {
      verdict.failures.push_back(fmt::format("{}: {}", bench.panel->judge(i).name(), opinions[i]->error));
    }
  }
  return verdict;
}

// The rules that explained something, each with its reason.
std::string known_words(const Bench& bench) {
  Figures figures;
  bench.tally.add_to(figures);
  std::string words;
  for (std::size_t i = 0; i < bench.known.rules().size() && i < kMaxRules; ++i) {
    const Rule& rule = bench.known.rules()[i];
    if (figures.rules[i] != 0) words += fmt::format("  {}: {}\n", rule.id, rule.reason);
  }
  return words;
}

// A program, in either form, or of a finding.
Result<Program> load(const std::string& path, Program Finding::*of_finding) {
  if (!std::filesystem::is_directory(path)) return load_program(path);
  return read_finding(path).map([&](const Finding& finding) { return finding.*of_finding; });
}

// Shrinks, with a line on a terminal. SIGINT and SIGTERM end it with what there is by then.
Program shrink_in_sight(Bench& bench, const Program& program, const Suspicion& first) {
  StopSignals signals;
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  std::size_t runs = 0, left = program.operations.size();
  const ShrinkLimits limits;
  const auto still_fails = [&](const Program& candidate) {
    if (signals.wait(std::chrono::milliseconds(0)) != 0) return false;
    const bool fails = bench.examiner->again(candidate, first).has_value();
    if (fails) left = candidate.operations.size();
    ++runs;
    if (terminal)
      std::fputs(fmt::format("\r{} operations left, run {} of {}\x1b[K", left, runs, limits.evaluations).c_str(),
                 stderr);
    return fails;
  };
  const Program smallest = shrink(program, still_fails, limits);
  if (terminal) std::fputs("\r\x1b[K", stderr);
  return smallest;
}

bool is_standard_output(const std::string& file) { return file.empty() || file == "-"; }

// Before work is done for a file: that there is a folder for it.
Result<void> place_for(const std::string& file) {
  if (is_standard_output(file)) return {};
  const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
  if (std::filesystem::is_directory(file)) return fail(file + ": this is a folder; give the name of a file");
  if (::access(folder.c_str(), W_OK) != 0) return fail(fmt::format("{}: {}", folder.string(), std::strerror(errno)));
  return {};
}

// What cannot be written to its file is printed: it took a while.
int write_program(const Program& program, const std::string& file) {
  const std::string text = to_text(program);
  if (is_standard_output(file)) return print(text, 0);
  const std::filesystem::path out = std::filesystem::absolute(file);
  const std::string folder = out.parent_path().string(), name = out.filename().string();
  const auto written =
      out.extension() == ".bin" ? write_whole(folder, name, to_binary(program)) : write_whole(folder, name, text);
  if (written) return 0;
  complain(written.error().message + "; this is the program:");
  return print(text, vmm::kExitHarness);
}

}  // namespace

Result<KnownDeviations> load_known(const std::string& file) {
  if (file.empty()) return KnownDeviations::built_in();
  if (file == "none") return KnownDeviations();
  return KnownDeviations::load(file);
}

Result<std::vector<std::string>> chosen_judges(const FuzzOptions& options) {
  const std::vector<std::string> wanted = options.judges.empty() ? default_judges() : options.judges;
  const Available available = available_judges(wanted, options.backend);
  if (!options.judges.empty() && !available.missing.empty()) return fail(available.missing.front());
  for (const std::string& missing : available.missing) complain("going on without " + missing);
  if (available.names.size() < 2 && options.judges.empty()) return fail("there are no two judges here to compare");
  return available.names;
}

int fuzz_generate(const FuzzOptions& options) {
  std::mt19937_64 random(options.seed ? *options.seed : std::random_device()());
  GenerateOptions generate_options;
  generate_options.operations = static_cast<unsigned>(options.operations);
  generate_options.raw = options.raw;
  generate_options.failures = options.failures;
  return print(to_text(generate(random, generate_options)), 0);
}

int fuzz_run(const FuzzOptions& options) {
  const auto program = load(options.path, &Finding::shrunk);
  if (!program) return complain_with(vmm::kExitUsage, program.error().message);
  const auto bench = make_bench(options);
  if (!bench) return complain_with(bench.error().status, bench.error().message);
  const Verdict verdict = judge(**bench, *program);
  const Suspicion* first = verdict.suspicions.empty() ? nullptr : &verdict.suspicions.front();
  std::string text = side_by_side(*program, verdict.traces, first == nullptr ? nullptr : &first->what);
  for (const std::string& failure : verdict.failures) text += failure + "\n";
  for (const Suspicion& s : verdict.suspicions) text += summary(*program, s.what) + "\n";
  if (verdict.suspicions.empty()) {
    const std::string known = known_words(**bench);
    text += known.empty() ? "all agree\n" : "all agree, but for what is known:\n" + known;
  }
  return print(text, verdict.suspicions.empty() ? 0 : 1);
}

int fuzz_minimize(const FuzzOptions& options) {
  const auto program = load(options.path, &Finding::program);
  if (!program) return complain_with(vmm::kExitUsage, program.error().message);
  if (const auto place = place_for(options.output); !place)
    return complain_with(vmm::kExitUsage, place.error().message);
  const auto bench = make_bench(options);
  if (!bench) return complain_with(bench.error().status, bench.error().message);
  const Verdict verdict = judge(**bench, *program);
  if (verdict.suspicions.empty()) {
    const bool known = (*bench)->tally.get(Count::kExplained) != 0;
    return complain_with(1, options.path + (known ? ": the judges agree, but for what is known: --known none keeps that"
                                                  : ": the judges agree: there is nothing to keep"));
  }
  const Suspicion& first = verdict.suspicions.front();
  const Program smallest = shrink_in_sight(**bench, *program, first);
  const auto what = (*bench)->examiner->again(smallest, first);
  complain(fmt::format("{} operations of {} are left; {}", smallest.operations.size(), program->operations.size(),
                       summary(smallest, what ? *what : first.what)));
  return write_program(smallest, options.output);
}

}  // namespace faultline::tools

#include "tools/fuzz_program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>

#include "tools/complain.hpp"
#include "vmm/fuzz/binary.hpp"
#include "vmm/fuzz/campaign/examine.hpp"
#include "vmm/fuzz/campaign/files.hpp"
#include "vmm/fuzz/campaign/judges.hpp"
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
  std::fputs(to_text(generate(random, generate_options)).c_str(), stdout);
  return 0;
}

int fuzz_run(const FuzzOptions& options) {
  const auto program = load_program(options.path);
  if (!program) return complain_with(vmm::kExitUsage, program.error().message);
  const auto bench = make_bench(options);
  if (!bench) return complain_with(bench.error().status, bench.error().message);
  const Verdict verdict = judge(**bench, *program);
  const Suspicion* first = verdict.suspicions.empty() ? nullptr : &verdict.suspicions.front();
  std::string text = side_by_side(*program, verdict.traces, first == nullptr ? nullptr : &first->what);
  for (const std::string& failure : verdict.failures) text += failure + "\n";
  for (const Suspicion& s : verdict.suspicions) text += summary(*program, s.what) + "\n";
  if (verdict.suspicions.empty()) {
    const std::uint64_t explained = (*bench)->tally.get(Count::kExplained);
    text += explained == 0 ? "all agree\n" : "all agree, but for what is known\n";
  }
  std::fputs(text.c_str(), stdout);
  return verdict.suspicions.empty() ? 0 : 1;
}

int fuzz_minimize(const FuzzOptions& options) {
  const bool folder = std::filesystem::is_directory(options.path);
  const auto program =
      folder ? read_finding(options.path).map([](const Finding& f) { return f.program; }) : load_program(options.path);
  if (!program) return complain_with(vmm::kExitUsage, program.error().message);
  const auto bench = make_bench(options);
  if (!bench) return complain_with(bench.error().status, bench.error().message);
  const Verdict verdict = judge(**bench, *program);
  if (verdict.suspicions.empty())
    return complain_with(1, options.path + ": the judges agree: there is nothing to keep");
  const Suspicion& first = verdict.suspicions.front();
  const Program smallest = shrink(
      *program, [&](const Program& p) { return (*bench)->examiner->again(p, first).has_value(); }, ShrinkLimits{});
  const auto what = (*bench)->examiner->again(smallest, first);
  complain(fmt::format("{} operations of {} are left; {}", smallest.operations.size(), program->operations.size(),
                       summary(smallest, what ? *what : first.what)));
  if (options.output.empty() || options.output == "-") {
    std::fputs(to_text(smallest).c_str(), stdout);
    return 0;
  }
  const std::filesystem::path out = std::filesystem::absolute(options.output);
  const auto written = out.extension() == ".bin"
                           ? write_whole(out.parent_path(), out.filename().string(), to_binary(smallest))
                           : write_whole(out.parent_path(), out.filename().string(), to_text(smallest));
  return written ? 0 : complain_with(vmm::kExitHarness, written.error().message);
}

}  // namespace faultline::tools

#include "tools/fuzz_options.hpp"

#include <algorithm>
#include <set>

#include "tools/option_parsing.hpp"
#include "tools/size.hpp"
#include "vmm/fuzz/campaign/judges.hpp"
#include "vmm/fuzz/campaign/shared.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::tools {

namespace {

constexpr const char* kFuzzFooter =
    R"(Makes programs of memory operations and accesses, has each run by several judges (a reference of VMAs and bytes, mmu with
a model of the processor, mmu with a vCPU, the Linux underneath) and compares what they saw, step by step. DIR keeps the
corpus, the findings and the statistics; a campaign there is gone on with, also by several at once [fuzz-campaign].
Without --time and --programs it runs until SIGINT (Ctrl-C), which ends it in order.
Exit status: 0 no finding in this session; 1 findings (replay, run: the judges disagree); 2 usage error, or a file that
cannot be used; 125 the host lacks something.

Examples:
  faultline fuzz --time 60                                  a minute, in ./fuzz-campaign
  faultline fuzz --jobs 4 --raw --failures DIR              also corrupted entries and memory that runs out
  faultline fuzz --judges reference,model --seed 7 --programs 10000 --json DIR
  faultline fuzz generate --seed 7 >program.txt
  faultline fuzz run program.txt                            what each judge saw, side by side
  faultline fuzz replay DIR/findings/NAME
  faultline fuzz minimize program.txt -o small.txt)";
constexpr const char* kReplayFooter =
    R"(FOLDER is one of a campaign's findings. Its program is judged again by the judges that disagreed.
Exit status: 0 they agree now, known deviations aside; 1 they disagree as they did, or in another way; 2 it is no
finding; 125 a judge is missing here.

Examples:
  faultline fuzz replay fuzz-campaign/findings/NAME)";
constexpr const char* kMinimizeFooter =
    R"(Makes a program whose judges disagree as small as it can be and still have them disagree in the same field; a finding's
folder does as well as a file. The result goes to standard output.
Exit status: 0 done; 1 the judges agree: there is nothing to keep; 2 the file cannot be used; 125 a judge is missing.

Examples:
  faultline fuzz minimize program.txt -o small.txt
  faultline fuzz minimize --judges reference,model crash-0a1b2c    what libFuzzer left)";
constexpr const char* kFuzzRunFooter =
    R"(Shows each step of the program in FILE (text or binary form, or a finding's folder: what was left of its program) as
each judge saw it; > is where they part. Two judges are compared in what both know: the reference has no page tables and
no faults, linux no Accessed and Dirty.
Exit status: 0 they agree; 1 they disagree, known deviations aside; 2 the file cannot be used; 125 a judge is missing.

Examples:
  faultline fuzz run program.txt
  faultline fuzz run --judges model,linux fuzz-campaign/findings/NAME)";
constexpr const char* kGenerateFooter = R"(Prints a program in its text form. The same seed gives the same program.

Examples:
  faultline fuzz generate --seed 7 --operations 10 >program.txt)";

void split_judges(const std::string& text, FuzzOptions& o) {
  o.judges.clear();
  std::set<std::string> seen;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string name = text.substr(at, end - at);
    const auto known = vmm::fuzz::judge_names();
    if (std::ranges::find(known, name) == known.end()) {
      usage(fmt::format("--judges: '{}' is no judge: there are {}", name, fmt::join(known, ", ")));
    }
    if (!seen.insert(name).second) usage(fmt::format("--judges: '{}' is named twice", name));
    o.judges.push_back(name);
    at = end + 1;
  }
}

void add_judge_options(CLI::App* app, FuzzOptions& o) {
  app->add_option_function<std::string>(
         "--judges", [&o](const std::string& text) { split_judges(text, o); },
         "Who judges, of reference, model, kvm, hosted, linux [those that this machine has]")
      ->type_name("LIST");
  app->add_option("--backend", o.backend,
                  "What the guest judge runs on when --judges does not say: auto, kvm, hosted [auto]")
      ->check(CLI::IsMember({"auto", "kvm", "hosted"}))
      ->type_name("BACKEND");
}

void add_known_option(CLI::App* app, FuzzOptions& o) {
  app->add_option("--known", o.known, "Rules for disagreements that are known; none: there are none [built in]")
      ->type_name("FILE");
}

void add_program_options(CLI::App* app, FuzzOptions& o) {
  app->add_flag("--raw", o.raw, "Also flip bits of page-table entries and control bits");
  app->add_flag("--failures", o.failures, "Also let allocations of guest memory fail");
}

void add_seed(CLI::App* app, FuzzOptions& o, const std::string& help) {
  add_parsed(app, "--seed", help, "a count", parse_count, [&o](std::uint64_t n) { o.seed = n; })->type_name("N");
}

void add_campaign_options(CLI::App* app, FuzzOptions& o) {
  add_seed(app, o, "Seed; the same one, in a new DIR with one job, gives the same programs [a new one each time]");
  add_parsed(app, "--jobs", "Processes that work at the same time [1]", "a count", parse_count, [&o](std::uint64_t n) {
    if (n == 0 || n > vmm::fuzz::kMaxJobs) usage(fmt::format("--jobs: must lie between 1 and {}", vmm::fuzz::kMaxJobs));
    o.jobs = n;
  })->type_name("J");
  add_parsed(app, "--time", "Stop after so many seconds, or 500ms, 10m", "a time such as 10, 500ms or 2m",
             parse_duration,
             [&o](std::chrono::nanoseconds t) {
               if (t < std::chrono::milliseconds(1)) usage("--time: must be 1ms at least");
               o.time = std::chrono::duration_cast<std::chrono::milliseconds>(t);
             })
      ->type_name("SECONDS");
  add_parsed(app, "--programs", "Stop after so many programs", "a count", parse_count, [&o](std::uint64_t n) {
    if (n == 0) usage("--programs: must be more than 0");
    o.programs = n;
  })->type_name("N");
  add_judge_options(app, o);
  add_known_option(app, o);
  app->add_flag("--json", o.json, "Statistics as JSON on standard output at the end");
  add_program_options(app, o);
}

CLI::App* add_action(CLI::App* fuzz, FuzzOptions& o, const char* name, const char* help, const char* footer,
                     FuzzAction action) {
  CLI::App* app = fuzz->add_subcommand(name, help);
  app->footer(footer);
  app->preparse_callback([&o, action](std::size_t) { o.action = action; });
  return app;
}

void add_operand(CLI::App* app, FuzzOptions& o, const char* name, const char* help) {
  app->add_option(name, o.path, help)->required()->type_name("");
}

}  // namespace

CLI::App* add_fuzz_command(CLI::App& app, FuzzOptions& o) {
  CLI::App* fuzz = app.add_subcommand("fuzz", "Look for programs about which independent judges disagree");
  fuzz->require_subcommand(0, 1);
  fuzz->footer(kFuzzFooter);
  add_campaign_options(fuzz, o);
  fuzz->add_option("DIR", o.path, "The campaign's folder [fuzz-campaign]")->type_name("");

  CLI::App* replay = add_action(fuzz, o, "replay", "Judge a finding again", kReplayFooter, FuzzAction::kReplay);
  add_operand(replay, o, "FOLDER", "The finding");
  add_judge_options(replay, o);
  add_known_option(replay, o);
  CLI::App* minimize = add_action(fuzz, o, "minimize", "Make a program that shows a disagreement as small as it can be",
                                  kMinimizeFooter, FuzzAction::kMinimize);
  add_operand(minimize, o, "FILE", "The program, or a finding's folder");
  add_judge_options(minimize, o);
  add_known_option(minimize, o);
  minimize
      ->add_option("-o,--output", o.output, "Where to write it; binary when the name ends in .bin [standard output]")
      ->type_name("OUT");
  CLI::App* run =
      add_action(fuzz, o, "run", "Show what each judge sees of a program", kFuzzRunFooter, FuzzAction::kRun);
  add_operand(run, o, "FILE", "The program, or a finding's folder");
  add_judge_options(run, o);
  add_known_option(run, o);
  CLI::App* generate = add_action(fuzz, o, "generate", "Print a program", kGenerateFooter, FuzzAction::kGenerate);
  add_seed(generate, o, "Seed [a new one each time]");
  add_parsed(generate, "--operations", "How many operations [24]", "a count", parse_count, [&o](std::uint64_t n) {
    if (n == 0 || n > vmm::fuzz::kMaxOperations)
      usage(fmt::format("--operations: must lie between 1 and {}", vmm::fuzz::kMaxOperations));
    o.operations = n;
  })->type_name("N");
  add_program_options(generate, o);
  return fuzz;
}

void check_fuzz_options(const CLI::App& fuzz, FuzzOptions& o) {
  if (o.action == FuzzAction::kCampaign) {
    if (fuzz.count("DIR") == 0) o.path = "fuzz-campaign";
    if (o.path.empty()) usage("DIR is empty");
    return;
  }
  for (const CLI::Option* option : fuzz.get_options()) {
    if (option->count() > 0 && option->get_name() != "--help")
      usage(fmt::format("{} is for campaigns: what follows 'fuzz {}' has options of its own", option->get_name(),
                        fuzz.get_subcommands().front()->get_name()));
  }
  if (o.action != FuzzAction::kGenerate && o.path.empty()) usage("the name of the file is empty");
}

}  // namespace faultline::tools

#include "tools/options.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "tools/bare_machine_options.hpp"
#include "tools/inspect_options.hpp"
#include "tools/option_parsing.hpp"
#include "tools/size.hpp"
#include "tools/version.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

namespace {

constexpr std::uint64_t kMinMemory = 4ULL << 20;
constexpr std::uint64_t kMaxMemory = 64ULL << 30;

constexpr const char* kRunFooter =
    R"(Exit status: the program's own; 128+N when signal N killed it; 2 usage error; 122 a kernel program died of a fault;
123 the vCPU died (triple fault); 124 a limit stopped it; 125 the harness failed; 126 cannot be executed; 127 not found.

Examples:
  faultline run /bin/busybox sha256sum FILE
  faultline run --fault-log faults.txt ./program            every fault explained, as text
  faultline run --fault-log - --fault-format jsonl ./program 2>faults.jsonl
  faultline run --time-limit 5 --memory 64M --no-files ./untrusted
  faultline run --stats-interval 1 --stats ./program        counters every second, and a summary
  faultline run --gdb 1234 ./program                        then: gdb ./program -ex 'target remote :1234'
  faultline run --multiboot kernel.elf --module initrd -- its command line)";
constexpr const char* kWalkFooter =
    R"(Runs PROGRAM to its end, then shows its memory as it was left. With none of --address, --tree
and --vmas, shows the VMAs. Exit status: as of 'faultline run'.

Examples:
  faultline walk --vmas -- ./program
  faultline walk --address 0x401000 --address 0x7fffffffe000 -- ./program arg)";
constexpr const char* kConformFooter =
    R"(Makes memory accesses in a virtual machine of its own and compares each with a model of the MMU:
fault or not, vector, error code, CR2, RIP, RFLAGS, data, Accessed and Dirty of every level.
Exit status: 0 nothing deviates beyond the baseline; 1 something does; 2 usage error; 125 no KVM.

Examples:
  faultline conform
  faultline conform --rule right.smap --cases 50000
  faultline conform --case 1000000000000042                 one case in full
  faultline conform --json --junit results.xml >verdict.json)";
constexpr const char* kDoctorFooter = R"(Exit status: 0 when guests can run here, 1 when something is missing.

Examples:
  faultline doctor
  faultline doctor --json | jq .backend)";
constexpr const char* kFooter = R"(Examples:
  faultline doctor                                                can guests run here?
  faultline run /bin/busybox sha256sum FILE                       a program under demand paging
  faultline run --fault-log faults.txt ./program                  every fault explained
  faultline run --record run.flr ./program                        record it, then
  faultline inspect run.flr                                       see what it cost
  faultline fuzz --time 60                                        look for bugs for a minute

See 'faultline COMMAND --help' and faultline(1).)";

// The usage line of commands that take a program.
class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(34); }
  std::string make_usage(const CLI::App* app, std::string name) const override {
    const std::string& command = app->get_name();
    // Those of 'fuzz' are named as commands of their own are.
    if (app->get_parent() != nullptr && app->get_parent()->get_name() == "fuzz")
      return CLI::Formatter::make_usage(app, std::move(name));
    if (command == "run" || command == "walk")
      return fmt::format("Usage: faultline {} [OPTIONS] [--] PROGRAM [ARGS...]\n", command);
    if (command == "inspect")
      return "Usage: faultline inspect [OPTIONS] FILE\n       faultline inspect diff [OPTIONS] A B\n";
    if (command == "fuzz")
      return "Usage: faultline fuzz [OPTIONS] [DIR]\n       faultline fuzz COMMAND [OPTIONS] [FILE]\n";
    if (command == "diff") return "Usage: faultline inspect diff [OPTIONS] A B\n";
    return CLI::Formatter::make_usage(app, std::move(name));
  }
};

void check_memory(std::uint64_t bytes) {
  if (bytes % kPageSize != 0) usage(fmt::format("--memory: {} bytes is not a whole number of 4096-byte pages", bytes));
  if (bytes < kMinMemory || bytes > kMaxMemory) usage("--memory: must lie between 4M and 64G");
}

void add_guest_options(CLI::App* app, GuestOptions& o) {
  add_parsed(app, "--memory", "Guest RAM, e.g. 512M or 4G; only what is touched costs [1G]", "a size such as 512M",
             parse_size,
             [&o](std::uint64_t bytes) {
               check_memory(bytes);
               o.machine.memory_bytes = bytes;
             })
      ->type_name("SIZE");
  add_parsed(app, "--time-limit", "Stop the guest after this much wall-clock time, e.g. 10, 500ms, 2m",
             "a time such as 10, 500ms or 2m", parse_duration,
             [&o](std::chrono::nanoseconds t) {
               if (t.count() == 0) usage("--time-limit: must be more than 0");
               o.limits.time = t;
             })
      ->type_name("TIME");
  add_parsed(app, "--exit-limit", "Stop the guest after this many vCPU exits", "a count", parse_count,
             [&o](std::uint64_t n) { o.limits.exits = n; })
      ->type_name("N");
  add_parsed(app, "--storm-limit",
             "Stop it when the same fault comes this often in a row with no progress; 0: never [10000]", "a count",
             parse_count, [&o](std::uint64_t n) { o.limits.storm = n; })
      ->type_name("N");
  add_parsed(app, "--max-processes", "How many processes there may be at a time; fork gives EAGAIN beyond [1024]",
             "a count", parse_count,
             [&o](std::uint64_t n) {
               if (n == 0) usage("--max-processes: there must be one at least");
               o.max_processes = n;
             })
      ->type_name("N");
  app->add_option_function<int>(
         "--paging",
         [&o](int levels) { o.machine.mode = levels == 5 ? mmu::PagingMode::kFiveLevel : mmu::PagingMode::kFourLevel; },
         "Page-table levels: 4 or 5 [4]")
      ->check(CLI::IsMember({4, 5}))
      ->type_name("LEVELS");
  add_parsed(app, "--linux",
             fmt::format("Behave as this version of Linux where a program can tell, {} to {} [{}]", kOldestLinux.text(),
                         kNewestLinux.text(), kNewestLinux.text()),
             fmt::format("a version of Linux from {} to {}, such as 5.4", kOldestLinux.text(), kNewestLinux.text()),
             parse_linux_version, [&o](LinuxVersion version) { o.linux_version = version; })
      ->type_name("VERSION");
  app->add_option("--sink", o.machine.sink,
                  "How page-table edits reach the guest: auto, shadow, two-dimensional [auto]")
      ->check(CLI::IsMember({"auto", "shadow", "two-dimensional"}))
      ->type_name("SINK");
  app->add_option("--backend", o.machine.backend,
                  "What runs the guest: kvm; hosted, a process of this host; auto: kvm if it can be opened [auto]")
      ->check(CLI::IsMember({"auto", "kvm", "hosted"}))
      ->type_name("BACKEND");
  app->add_option("--env", o.environment, "Set NAME=VALUE in the guest's environment; NAME alone passes the host's")
      ->type_name("NAME[=VALUE]")
      ->allow_extra_args(false);
  app->add_flag("--clear-env", o.clear_environment, "Start from an empty environment");
  app->add_option("--root", o.root, "The guest sees this folder as / and nothing outside it")->type_name("DIR");
  app->add_flag("--read-only", o.read_only, "Refuse every change to files (EROFS)");
  app->add_flag("--no-files", o.no_files, "No files but standard input, output and error");
  app->add_flag("-q,--quiet", o.quiet, "No report when a fault kills the guest");
  app->prefix_command();
}

void add_debug_options(CLI::App* app, RunOptions& o) {
  add_parsed(app, "--stats-interval", "Print counters to standard error this often, e.g. 1, 500ms",
             "a time such as 10, 500ms or 2m", parse_duration,
             [&o](std::chrono::nanoseconds t) {
               if (t < std::chrono::milliseconds(1)) usage("--stats-interval: must be 1ms at least");
               o.statistics_interval = t;
             })
      ->type_name("TIME");
  app->add_option_function<std::string>(
         "--stats-format",
         [&o](const std::string& f) {
           o.statistics_format = f == "jsonl" ? vmm::LogFormat::kJsonLines : vmm::LogFormat::kText;
         },
         "How: text or jsonl [text]")
      ->check(CLI::IsMember({"text", "jsonl"}))
      ->needs(app->get_option("--stats-interval"))
      ->type_name("FORMAT");
  app->add_option_function<std::string>(
         "--gdb",
         [&o](const std::string& place) {
           if (place.empty()) usage("--gdb: PORT or SOCKET is empty");
           o.gdb = place;
         },
         "Wait for GDB before the first instruction: on this port of the loopback interface (0: any), or on "
         "this Unix socket (a path with a /)")
      ->type_name("PORT|SOCKET");
}

void add_record_options(CLI::App* app, RunOptions& o) {
  CLI::Option* file = app->add_option("--record", o.record, "Record the run into FILE, for 'faultline inspect'");
  file->type_name("FILE");
  app->add_flag("--record-registers", o.record_registers, "Record the registers at every exit as well")->needs(file);
  add_parsed(app, "--record-limit", "Keep the latest events only, in a file that never grows beyond SIZE",
             "a size such as 64M", parse_size,
             [&o](std::uint64_t bytes) {
               if (bytes < vmm::recording::Writer::kMinRingBytes) usage("--record-limit: must be 128K at least");
               o.record_limit = bytes;
             })
      ->type_name("SIZE")
      ->needs(file);
}

// The words before the first "--" and, where there is one, those behind it.
struct Words {
  std::vector<std::string> before, behind;
  bool separated = false;
};
Words split_words(int argc, char** argv) {
  Words words;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (!words.separated && word == "--") {
      words.separated = true;
    } else {
      (words.separated ? words.behind : words.before).push_back(word);
    }
  }
  return words;
}

// What follows the options. Where the program stands before the "--", that is its own.
void take_command(CLI::App* app, GuestOptions& o, const Words& words) {
  o.command = app->remaining();
  if (!o.command.empty() && o.command.front().starts_with("-")) usage("unknown option " + o.command.front());
  if (!o.command.empty() && words.separated) o.command.emplace_back("--");
  o.command.insert(o.command.end(), words.behind.begin(), words.behind.end());
  if (o.command.empty()) usage("PROGRAM is missing");
  if (o.no_files && !o.root.empty()) usage("--no-files and --root exclude each other");
}

void add_conform_options(CLI::App* app, ConformOptions& o) {
  const auto add_count = [app](const char* name, const char* help, auto assign) {
    add_parsed(app, name, help, "a count", parse_count, assign)->type_name("N");
  };
  add_count("--cases", "About how many cases to run [250000]", [&o](std::uint64_t n) {
    if (n == 0) usage("--cases: must be more than 0");
    o.cases = n;
  });
  app->add_flag("--full", o.full, "Every combination of all sections where that is feasible (millions)");
  add_count("--seed", "Seed of the samples of the larger sections [1]", [&o](std::uint64_t n) { o.seed = n; });
  add_count("--case", "Run and explain the one case of this number", [&o](std::uint64_t n) { o.number = n; });
  app->add_option("--rule", o.rule, "Only cases that this rule decides")->type_name("RULE");
  app->add_option("--feature", o.feature, "Only cases that need this feature")->type_name("FEATURE");
  app->add_option("--section", o.section, "Only cases of this section of the matrix")->type_name("SECTION");
  app->add_option("--baseline", o.baseline, "Known deviations; none: there are none [built in]")->type_name("FILE");
  app->add_flag("--json", o.json, "The verdict as JSON");
  app->add_option("--junit", o.junit, "Write the verdict as JUnit XML to FILE")->type_name("FILE");
  app->add_flag("--list", o.list, "List sections, rules and features");
  app->add_flag("--model-only", o.model_only, "Compare the model with mmu's walker alone; needs no KVM");
  app->footer(kConformFooter);
}

}  // namespace

Command parse_command_line(int argc, char** argv) {
  CLI::App app("Runs guests under KVM with Linux's page-fault logic, and explains every fault.", "faultline");
  app.set_version_flag("--version", std::string("faultline ") + kVersion);
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "Show this help");
  app.footer(kFooter);
  app.formatter(std::make_shared<HelpFormatter>());

  RunOptions run;
  CLI::App* run_app = app.add_subcommand("run", "Run a static Linux program in a guest");
  add_guest_options(run_app, run.guest);
  run_app->add_option("--fault-log", run.fault_log, "Explain every fault into FILE; - is standard error")
      ->type_name("FILE");
  run_app
      ->add_option_function<std::string>(
          "--fault-format",
          [&run](const std::string& f) {
            run.fault_format = f == "jsonl" ? vmm::LogFormat::kJsonLines : vmm::LogFormat::kText;
          },
          "text or jsonl [text]")
      ->check(CLI::IsMember({"text", "jsonl"}))
      ->type_name("FORMAT");
  add_record_options(run_app, run);
  run_app->add_flag("--strace", run.strace, "Print each system call to standard error");
  run_app->add_flag("--stats", run.statistics, "Print statistics to standard error at the end");
  run_app->add_option("--stats-json", run.statistics_json, "Write statistics as JSON to FILE")->type_name("FILE");
  add_debug_options(run_app, run);
  MultibootOptions multiboot;
  add_multiboot_options(run_app, multiboot);
  KernelOptions kernel;
  add_kernel_options(run_app, kernel);
  run_app->footer(kRunFooter);

  WalkOptions walk;
  CLI::App* walk_app = app.add_subcommand("walk", "Run a program, then show its page tables and VMAs");
  add_guest_options(walk_app, walk.guest);
  walk_app
      ->add_option_function<std::vector<std::string>>(
          "--address",
          [&walk](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              const auto address = parse_address(text);
              if (!address) usage(fmt::format("--address: '{}' is not an address such as 0x401000", text));
              walk.addresses.push_back(*address);
            }
          },
          "Explain the translation of ADDRESS, level by level; may be repeated")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  walk_app->add_flag("--tree", walk.tree, "Show the whole table tree");
  walk_app->add_flag("--vmas", walk.vmas, "Show the VMAs");
  walk_app->footer(kWalkFooter);

  DoctorOptions doctor;
  CLI::App* doctor_app = app.add_subcommand("doctor", "Say whether guests can run here, how, and what is missing");
  doctor_app->add_flag("--json", doctor.json, "As JSON");
  doctor_app->footer(kDoctorFooter);

  ConformOptions conform;
  CLI::App* conform_app = app.add_subcommand("conform", "Say whether paging behaves here as the manual says");
  add_conform_options(conform_app, conform);

  InspectOptions inspect;
  CLI::App* inspect_app = add_inspect_command(app, inspect);

  FuzzOptions fuzz;
  CLI::App* fuzz_app = add_fuzz_command(app, fuzz);

  Words words = split_words(argc, argv);
  try {
    if (words.before.empty()) usage("a command is missing: run, walk, inspect, doctor, conform or fuzz");
    const std::string& command = words.before.front();
    const auto named = app.get_subcommands([&command](CLI::App* sub) { return sub->get_name() == command; });
    if (!command.starts_with("-") && named.empty())
      usage(fmt::format("unknown command '{}': there are run, walk, inspect, doctor, conform and fuzz", command));
    if (command == "inspect" && words.separated) {  // files may follow the --
      words.before.emplace_back("--");
      words.before.insert(words.before.end(), words.behind.begin(), words.behind.end());
    }
    // CLI11 takes them last first.
    app.parse(std::vector<std::string>(words.before.rbegin(), words.before.rend()));
    if (run_app->parsed() && run_app->count("--kernel") > 0)
      return take_kernel(run_app, kernel, run.guest, words.behind);
    if (run_app->parsed() && run_app->count("--multiboot") > 0)
      return take_multiboot(run_app, multiboot, run.guest, words.behind);
    if (run_app->parsed()) {
      if (run_app->count("--module") > 0) usage("--module needs --multiboot");
      if (run_app->count("--oops-json") > 0) usage("--oops-json needs --kernel");
      take_command(run_app, run.guest, words);
      return run;
    }
    if (walk_app->parsed()) {
      take_command(walk_app, walk.guest, words);
      if (walk.addresses.empty() && !walk.tree) walk.vmas = true;
      return walk;
    }
    if (inspect_app->parsed()) {
      check_inspect_options(*inspect_app, inspect);
      return inspect;
    }
    if (fuzz_app->parsed()) {
      check_fuzz_options(*fuzz_app, fuzz);
      return fuzz;
    }
    if (conform_app->parsed()) return conform;
    return doctor;
  } catch (const CLI::Success& success) {
    return Finished{app.exit(success)};
  } catch (const CLI::ParseError& error) {
    const char* command = run_app->parsed()       ? "run "
                          : walk_app->parsed()    ? "walk "
                          : inspect_app->parsed() ? "inspect "
                          : doctor_app->parsed()  ? "doctor "
                          : conform_app->parsed() ? "conform "
                          : fuzz_app->parsed()    ? "fuzz "
                                                  : "";
    const auto message = fmt::format("faultline: {}\nTry 'faultline {}--help'.\n", error.what(), command);
    std::fputs(message.c_str(), stderr);  // fmt::print throws when it cannot be written
    return Finished{vmm::kExitUsage};
  }
}

}  // namespace faultline::tools

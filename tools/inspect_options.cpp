#include "tools/inspect_options.hpp"

#include "tools/filter_options.hpp"
#include "tools/option_parsing.hpp"
#include "tools/size.hpp"

namespace faultline::tools {

namespace {

constexpr const char* kInspectFooter =
    R"(FILE is what 'faultline run --record FILE' wrote. Without a view: a summary, costs by exit reason and ladder path.
The filters narrow every view but --exit, --fault and --at, of which --at knows --process and --address.
Exit status: 0 shown; 1 no such event, or nothing passes the filters (diff: the recordings differ);
2 usage error, or not a recording; 3 the recording is damaged or ends early: shown up to there; 125 output failed.

Examples:
  faultline inspect run.flr
  faultline inspect --faults --path wp_page_copy run.flr          every page copied on write
  faultline inspect --fault 12 run.flr                            one fault in full
  faultline inspect --at @12.5ms run.flr                          VMAs and page tables as they were
  faultline inspect --timeline --time 1ms..2ms --json run.flr | jq .
  faultline inspect --html run.html run.flr                       a page to look at in a browser
  faultline inspect --trace run.json run.flr                      for ui.perfetto.dev
  faultline inspect --tui run.flr
  faultline inspect diff kvm.flr hosted.flr                       where they part, and what costs changed)";

constexpr const char* kDiffFooter =
    R"(Compares, process by process, the faults (address, error code, path, outcome), system calls, signals and programs of
two recordings, and then what they cost.
Exit status: 0 the same happened; 1 they differ; 2 usage error, or not a recording; 3 the same as far as both go, but
one of them is damaged or ends early; 125 output failed.

Examples:
  faultline inspect diff kvm.flr hosted.flr
  faultline inspect diff --json before.flr after.flr | jq .)";

// One view at a time.
class ViewChoice {
 public:
  ViewChoice(InspectOptions& options, std::string* chosen) : options_(options), chosen_(chosen) {}
  void set(const std::string& name, InspectView view) const {
    if (!chosen_->empty() && *chosen_ != name) usage(fmt::format("{} and {} exclude each other", *chosen_, name));
    *chosen_ = name;
    options_.view = view;
  }

 private:
  InspectOptions& options_;
  std::string* chosen_;
};

struct Moment {
  std::uint64_t number = 0;
  std::optional<std::uint64_t> ns;
};
// "1234": an event; "@12.5ms", "12.5ms": a time.
std::optional<Moment> parse_moment(std::string_view text) {
  if (const auto number = parse_count(text)) return Moment{.number = *number, .ns = {}};
  if (text.starts_with('@')) text.remove_prefix(1);
  const auto time = parse_duration(text);
  if (!time) return std::nullopt;
  return Moment{.ns = static_cast<std::uint64_t>(time->count())};
}

void add_numbered(CLI::App* app, InspectOptions& o, const ViewChoice& choice, const std::string& name, InspectView view,
                  const std::string& help) {
  add_parsed(app, name, help, "a number, from 1", parse_count, [&o, choice, name, view](std::uint64_t number) {
    if (number == 0) usage(fmt::format("{}: numbers begin with 1", name));
    choice.set(name, view);
    o.number = number;
  })->type_name("N");
}

void add_format_options(CLI::App* app, InspectOptions& o) {
  const auto flag = [app, &o](const char* name, InspectFormat format, const char* help) {
    const auto choose = [&o, format] {
      if (o.format != InspectFormat::kText && o.format != format) usage("--json and --csv exclude each other");
      o.format = format;
    };
    app->add_flag_callback(name, choose, help);
  };
  flag("--json", InspectFormat::kJsonLines, "As JSON Lines, one object a line");
  flag("--csv", InspectFormat::kCsv, "As comma-separated values, with a header");
  add_parsed(app, "--top", "Rows of lists that could be long; 0: all [20]", "a count", parse_count,
             [&o](std::uint64_t n) { o.top = n; })
      ->type_name("N");
}

void add_views(CLI::App* app, InspectOptions& o) {
  const ViewChoice choice(o, &o.chosen_view);
  const auto flag = [&](const char* name, InspectView view, const char* help) {
    app->add_flag_callback(
        name, [choice, name, view] { choice.set(name, view); }, help);
  };
  flag("--timeline", InspectView::kTimeline, "Every event, in order, one line each");
  flag("--faults", InspectView::kFaults, "Every fault, one line each");
  flag("--heat", InspectView::kHeat, "The pages by faults: a map of each VMA, and the pages with the most");
  add_numbered(app, o, choice, "--exit", InspectView::kExit,
               "Event N in full, or the exit that it came of, and what came of that");
  add_numbered(app, o, choice, "--fault", InspectView::kFault,
               "Fault N in full: instruction, walk, path, entries changed");
  add_parsed(app, "--at", "VMAs, page tables and memory figures after event N, or at @TIME, e.g. @12.5ms",
             "the number of an event or a time such as @12.5ms", parse_moment,
             [&o, choice](const Moment& moment) {
               choice.set("--at", InspectView::kAt);
               o.number = moment.number;
               o.at_ns = moment.ns;
             })
      ->type_name("N|@TIME");
}

void add_exports(CLI::App* app, InspectOptions& o) {
  const ViewChoice choice(o, &o.chosen_view);
  const auto to_file = [&](const char* name, InspectView view, const char* help) {
    app->add_option_function<std::string>(
           name,
           [&o, choice, name, view](const std::string& out) {
             choice.set(name, view);
             o.out = out;
           },
           help)
        ->type_name("OUT");
  };
  to_file("--html", InspectView::kHtml, "A page for a browser that has all of it in one file, '-' for standard output");
  to_file("--trace", InspectView::kTrace,
          "Chrome trace events to a file, '-' for standard output: Perfetto loads them");
  to_file("--folded", InspectView::kFolded, "Ladder paths as folded stacks, for flame graphs, weighed in nanoseconds");
  app->add_flag("--counts", o.counts, "With --folded: every fault weighs 1");
  app->add_flag_callback(
      "--tui", [choice] { choice.set("--tui", InspectView::kTui); },
      "Look at it in the terminal: list, detail, search");
}

}  // namespace

CLI::App* add_inspect_command(CLI::App& app, InspectOptions& o) {
  CLI::App* inspect = app.add_subcommand("inspect", "Look at a recording of 'run --record'");
  inspect->add_option("FILE", o.file, "The recording")->type_name("");
  add_views(inspect, o);
  add_exports(inspect, o);
  add_filter_options(inspect, o.filter);
  add_format_options(inspect, o);
  inspect->footer(kInspectFooter);

  CLI::App* diff = inspect->add_subcommand("diff", "Compare two recordings: where they part, and what costs changed");
  diff->add_option("A", o.file, "A recording")->required()->type_name("");
  diff->add_option("B", o.other, "What it is compared with")->required()->type_name("");
  add_format_options(diff, o);
  diff->footer(kDiffFooter);
  return inspect;
}

void check_inspect_options(const CLI::App& inspect, InspectOptions& o) {
  if (!inspect.get_subcommands().empty()) {
    if (!o.chosen_view.empty()) usage(o.chosen_view + " does not go with diff");
    if (o.filter.any()) usage("diff takes no filters");
    o.view = InspectView::kDiff;
    return;
  }
  if (o.view == InspectView::kHtml && o.filter.any()) usage("--html takes no filters: the page has its own");
  if (o.counts && o.view != InspectView::kFolded) usage("--counts goes with --folded");
  if (o.file.empty()) usage("FILE is missing: a recording of 'faultline run --record FILE'");
}

}  // namespace faultline::tools

#include "vmm/export/trace_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/support/trace_format.hpp"
#include "tests/unit/export/small_run.hpp"

namespace faultline::vmm::exports {
namespace {

using Json = nlohmann::json;

Json trace_of(const std::vector<recording::Event>& events, std::string_view problem = {}) {
  fmt::memory_buffer out;
  TraceWriter writer(out, recording::small_run_info());
  for (const recording::Event& event : events) writer.add(event);
  writer.finish(problem);
  return Json::parse(out.begin(), out.end());
}

std::vector<std::string> broken_rules(const Json& trace) { return test::TraceRules().broken(trace); }

// Those whose fields are as given.
std::vector<Json> find(const Json& trace, const Json& fields) {
  std::vector<Json> found;
  for (const Json& event : trace["traceEvents"]) {
    const auto same = [&](const auto& field) {
      return event.contains(field.key()) && event[field.key()] == field.value();
    };
    bool all = true;
    for (const auto& field : fields.items()) all = all && same(field);
    if (all) found.push_back(event);
  }
  return found;
}
Json only(const Json& trace, const Json& fields) {
  const auto found = find(trace, fields);
  EXPECT_EQ(found.size(), 1u) << fields;
  return found.empty() ? Json() : found.front();
}

// The first end of this name on the track of the begin, and not before it.
double end_of(const Json& trace, const Json& begin) {
  for (const Json& e : find(trace, {{"ph", "E"}, {"name", begin["name"]}, {"tid", begin["tid"]}}))
    if (e["ts"] > begin["ts"]) return e["ts"];
  return 0;
}

TEST(TraceWriterTest, KeepsTheRulesOfTheFormatWithEveryKindOfEvent) {
  const Json trace = trace_of(recording::small_run());
  EXPECT_THAT(broken_rules(trace), testing::IsEmpty());
  std::set<std::string> phases;
  for (const Json& event : trace["traceEvents"]) phases.insert(event["ph"]);
  EXPECT_EQ(phases, (std::set<std::string>{"B", "C", "E", "M", "f", "i", "s", "t"}));
  EXPECT_EQ(trace["otherData"]["command"], (Json{"/bin/sh", "-c", "a \"b\""}));
}

TEST(TraceWriterTest, RulesThatAreBrokenAreFound) {
  const Json good = trace_of(recording::small_run());
  const auto broken_by = [&](auto change) {
    Json trace = good;
    for (Json& event : trace["traceEvents"])
      if (change(event)) break;
    return broken_rules(trace).size();
  };
  EXPECT_GT(broken_by([](Json& e) { return e["ph"] == "E" && (e["ph"] = "M", true); }), 0u);
  EXPECT_GT(broken_by([](Json& e) { return e["ph"] == "E" && (e["name"] = "other", true); }), 0u);
  EXPECT_GT(broken_by([](Json& e) { return e["ph"] == "E" && (e["ts"] = 0.5, true); }), 0u);
  EXPECT_GT(broken_by([](Json& e) { return e["ph"] == "f" && (e["id"] = 77, true); }), 0u);
  EXPECT_GT(broken_by([](Json& e) { return e["ph"] == "f" && (e["ts"] = 0.5, true); }), 0u);
  EXPECT_GT(broken_by([](Json& e) { return e["ph"] == "i" && (e.erase("s"), true); }), 0u);
  EXPECT_GT(broken_by([](Json& e) { return e["ph"] == "C" && (e["args"] = Json::object(), true); }), 0u);
  EXPECT_GT(broken_by([](Json& e) { return e["ph"] == "B" && (e["pid"] = 5, true); }), 0u);
  EXPECT_GT(broken_by([](Json& e) { return e["ph"] == "M" && (e["args"] = Json::object(), true); }), 0u);
}

TEST(TraceWriterTest, AFaultHasItsPartsInsideAndAnArrowToTheCodeThatGoesOn) {
  const Json trace = trace_of(recording::small_run());
  const auto fault = only(trace, {{"ph", "B"}, {"name", "do_anonymous_page"}, {"cat", "fault"}});
  EXPECT_EQ(fault["ts"], 2.0);
  EXPECT_EQ(end_of(trace, fault), 2.96);
  EXPECT_EQ(fault["args"]["path"], "find_vma > do_anonymous_page");
  EXPECT_EQ(fault["args"]["vma"], "[stack]");
  const auto part = [&](const char* name) { return find(trace, {{"ph", "B"}, {"name", name}, {"pid", 100}}).at(0); };
  EXPECT_EQ(part("exit")["ts"], 2.0);
  EXPECT_EQ(part("decide")["ts"], 2.31);
  EXPECT_EQ(part("edit")["ts"], 2.4);
  EXPECT_EQ(end_of(trace, part("edit")), 2.81);
  EXPECT_EQ(part("resume")["ts"], 2.81);
  // From the run that faulted over the fault to the next run.
  EXPECT_EQ(only(trace, {{"ph", "s"}, {"id", 4}})["ts"], 1.999);
  const auto step = only(trace, {{"ph", "t"}, {"id", 4}});
  EXPECT_EQ(step["ts"], 2.0);
  EXPECT_EQ(step["tid"], fault["tid"]);
  const auto end = only(trace, {{"ph", "f"}, {"id", 4}});
  EXPECT_EQ(end["ts"], 2.96);
  EXPECT_EQ(end["tid"], 100);
}

TEST(TraceWriterTest, AFaultThatNothingFollowsHasNoArrow) {
  const Json trace = trace_of(recording::small_run());
  ASSERT_EQ(find(trace, {{"ph", "B"}, {"name", "bad_area"}, {"cat", "fault"}}).size(), 1u);
  EXPECT_EQ(find(trace, {{"ph", "s"}}).size(),
            2u);  // three faults of user code, one of them fatal
}

TEST(TraceWriterTest, AFaultIsFoundItsRunsWhenItIsWrittenAfterTheNextOne) {
  recording::EventList list;
  list.at(2000, 7, recording::sample_exit(recording::ExitReason::kPageFault, 1000, 2000))
      .at(3500, 7, recording::sample_exit(recording::ExitReason::kSyscall, 2960, 3500))
      .at(3510, 7, recording::sample_fault(anonymous_write(), 2810));
  const Json trace = trace_of(list.events());
  EXPECT_THAT(broken_rules(trace), testing::IsEmpty());
  EXPECT_EQ(only(trace, {{"ph", "s"}})["ts"], 1.999);
  EXPECT_EQ(only(trace, {{"ph", "f"}})["ts"], 2.96);
}

TEST(TraceWriterTest, ASystemCallIsAroundItsFaults) {
  const Json trace = trace_of(recording::small_run());
  const auto call = only(trace, {{"ph", "B"}, {"cat", "syscall"}});
  EXPECT_EQ(call["name"], "read");
  EXPECT_EQ(call["ts"], 3.6);
  EXPECT_EQ(end_of(trace, call), 4.5);
  EXPECT_EQ(call["args"]["result"], 16);
  const auto inner = only(trace, {{"ph", "B"}, {"name", "fault"}});
  EXPECT_EQ(inner["ts"], 3.9);
  EXPECT_EQ(end_of(trace, inner),
            4.4);  // neither exit nor resume: the guest was not left for it
}

TEST(TraceWriterTest, TracksCountersAndInstants) {
  const Json trace = trace_of(recording::small_run(), "cut off after event 23");
  EXPECT_EQ(only(trace, {{"ph", "M"}, {"name", "process_name"}, {"pid", 100}})["args"]["name"], "sh");
  EXPECT_EQ(only(trace, {{"ph", "M"}, {"name", "process_name"}, {"pid", 101}})["args"]["name"], "sleep;er x");
  EXPECT_EQ(only(trace, {{"ph", "M"}, {"name", "thread_name"}, {"tid", 101}})["args"]["name"], "guest");
  EXPECT_EQ(only(trace, {{"ph", "M"}, {"name", "thread_name"}, {"tid", kHostThreads + 101}})["args"]["name"], "host");
  EXPECT_EQ(only(trace, {{"ph", "C"}, {"name", "RSS"}})["args"], (Json{{"KiB", 48}}));
  EXPECT_EQ(only(trace, {{"ph", "C"}, {"name", "free frames"}})["args"], (Json{{"frames", 65000}}));
  EXPECT_EQ(only(trace, {{"name", "SIGSEGV"}})["args"]["action"], "killed");
  EXPECT_EQ(only(trace, {{"name", "stack growth"}})["args"]["added"], 1);
  EXPECT_EQ(find(trace, {{"name", "switch"}}).size(), 2u);
  EXPECT_EQ(find(trace, {{"cat", "vcpu"}, {"ph", "B"}}).size(), 3u);
  EXPECT_EQ(only(trace, {{"name", "cut off after event 23"}})["s"], "g");
  EXPECT_EQ(only(trace, {{"name", "end: exited"}})["args"]["status"], 139);
}

TEST(TraceWriterTest, TimesThatMakeNoSenseStillMakeATrace) {
  constexpr std::uint64_t kFar = std::numeric_limits<std::uint64_t>::max();
  recording::EventList list;
  FaultRecord endless = anonymous_write();
  endless.times = {.guest = kFar, .exit = kFar, .decide = kFar, .edit = kFar, .resume = kFar};
  list.at(5, 0, recording::sample_exit(recording::ExitReason::kPageFault, 900, 100))
      .at(4, 0, recording::sample_fault(copy_on_write(), 50))
      .at(3, 0, recording::sample_fault(copy_on_write(), 20))
      .at(2, 0, recording::Syscall{.number = 99999, .started_ns = 30, .ended_ns = 10})
      .at(1, 0, recording::Switch{.from = 0})
      .at(9, 0, recording::sample_fault(endless, 1000))
      .at(9, 0, recording::Signal{.number = -3, .code = 0, .address = {}})
      .at(9, 0, recording::Counters{.rss_pages = 5});
  const Json trace = trace_of(list.events());
  EXPECT_THAT(broken_rules(trace), testing::IsEmpty());
  EXPECT_EQ(find(trace, {{"ph", "B"}, {"name", "syscall_99999"}}).size(), 1u);
}

TEST(TraceWriterTest, AnEmptyRecordingIsATrace) { EXPECT_THAT(broken_rules(trace_of({})), testing::IsEmpty()); }

}  // namespace
}  // namespace faultline::vmm::exports

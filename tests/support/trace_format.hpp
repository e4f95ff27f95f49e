// The rules of the trace event format, as far as a viewer relies on them: what is wrong with a
// trace that was exported.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace faultline::test {

class TraceRules {
 public:
  // Empty: the trace keeps all of them.
  std::vector<std::string> broken(const nlohmann::json& trace) {
    if (!trace.is_object() || !trace.contains("traceEvents") || !trace["traceEvents"].is_array())
      return {"no array traceEvents"};
    for (const auto& event : trace["traceEvents"]) check(event);
    for (auto& [track, edges] : edges_) check_nesting(track, edges);
    for (const auto& [id, points] : arrows_) check_arrow(id, points);
    return errors_;
  }

 private:
  using Json = nlohmann::json;
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // pid, tid
  struct Edge {
    bool begin;
    std::int64_t at;
    std::string name;
  };
  struct Interval {
    std::int64_t begin, end;
  };
  struct Point {
    char phase;
    Key track;
    std::int64_t at;
    bool enclosing;
    std::string name;
  };

  void wrong(const std::string& what, const Json& event) { errors_.push_back(what + ": " + event.dump()); }
  static std::int64_t nanoseconds(const Json& microseconds) { return std::llround(microseconds.get<double>() * 1000); }

  void check(const Json& event) {
    for (const char* key : {"ph", "name", "cat"})
      if (!event.contains(key) || !event[key].is_string()) return wrong(std::string("no text ") + key, event);
    for (const char* key : {"pid", "tid"})
      if (!event.contains(key) || !event[key].is_number_unsigned()) return wrong(std::string("no ") + key, event);
    const std::string phase = event["ph"];
    const Key track{event["pid"], event["tid"]};
    const auto [owner, fresh] = process_of_.try_emplace(track.second, track.first);
    if (owner->second != track.first) wrong("a thread of two processes", event);
    if (phase == "M") return check_metadata(event);
    if (!event.contains("ts") || !event["ts"].is_number() || event["ts"] < 0) return wrong("no ts", event);
    if (phase == "B" || phase == "E") {
      edges_[track].push_back({phase == "B", nanoseconds(event["ts"]), event["name"]});
      return;
    }
    if (phase == "C") return check_counter(event);
    if (phase == "s" || phase == "t" || phase == "f") return add_point(event, phase[0], track);
    if (phase != "i") return wrong("phase unknown", event);
    static const std::set<std::string> kScopes = {"t", "p", "g"};
    if (!event.contains("s") || !kScopes.contains(event["s"])) wrong("an instant without scope", event);
  }
  void check_metadata(const Json& event) {
    static const std::map<std::string, const char*> kArguments = {{"process_name", "name"},
                                                                  {"thread_name", "name"},
                                                                  {"process_sort_index", "sort_index"},
                                                                  {"thread_sort_index", "sort_index"}};
    const auto argument = kArguments.find(event["name"].get<std::string>());
    if (argument == kArguments.end() || !event["args"].contains(argument->second)) wrong("bad metadata", event);
  }
  void check_counter(const Json& event) {
    if (!event.contains("args") || event["args"].empty()) return wrong("a counter without series", event);
    for (const auto& [series, value] : event["args"].items())
      if (!value.is_number()) wrong("a counter that is no number", event);
  }
  void add_point(const Json& event, char phase, Key track) {
    if (!event.contains("id")) return wrong("an arrow without id", event);
    arrows_[event["id"].dump()].push_back({phase, track, nanoseconds(event["ts"]), event.value("bp", "") == "e",
                                           event["cat"].get<std::string>() + event["name"].get<std::string>()});
  }

  // Edges of the same time come in the order of the file.
  void check_nesting(Key track, std::vector<Edge>& edges) {
    const auto bad = [&](const std::string& what, const Edge& e) {
      errors_.push_back(fmt::format("track {}/{}: {} {} at {}", track.first, track.second, what, e.name, e.at));
    };
    std::ranges::stable_sort(edges, {}, &Edge::at);
    std::vector<Edge> open;
    for (const Edge& e : edges) {
      if (e.begin) {
        open.push_back(e);
      } else if (open.empty() || open.back().name != e.name) {
        bad("nothing that ends with", e);
      } else {
        if (open.back().at == e.at) bad("no length:", e);
        slices_[track].push_back({open.back().at, e.at});
        open.pop_back();
      }
    }
    for (const Edge& e : open) bad("never ends:", e);
  }
  // One begin, one end, in time, each within a slice of its track.
  void check_arrow(const std::string& id, const std::vector<Point>& points) {
    const auto bad = [&](const std::string& what) { errors_.push_back("arrow " + id + ": " + what); };
    std::string phases;
    for (const Point& p : points) {
      phases += p.phase;
      if (p.name != points.front().name) bad("points of different names");
      if (p.phase == 'f' && !p.enclosing) bad("its end binds to the next slice");
      const auto& slices = slices_[p.track];
      if (std::ranges::none_of(slices, [&](const Interval& s) { return s.begin <= p.at && p.at < s.end; }))
        bad(fmt::format("its point at {} is in no slice", p.at));
      if (p.at < points.front().at || p.at > points.back().at) bad("not in time");
    }
    if (phases != "stf" && phases != "sf") bad("consists of " + phases);
  }

  std::vector<std::string> errors_;
  std::map<std::uint64_t, std::uint64_t> process_of_;  // of a thread
  std::map<Key, std::vector<Edge>> edges_;
  std::map<Key, std::vector<Interval>> slices_;
  std::map<std::string, std::vector<Point>> arrows_;
};

}  // namespace faultline::test

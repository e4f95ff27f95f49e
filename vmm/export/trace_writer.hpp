// A recording as Chrome trace events, the JSON that Perfetto, chrome://tracing and speedscope
// load. One process of the trace for each of the guest, with a track for what its code does and
// one for what the host does for it, and one more for the machine. docs/export.md has the mapping.
// Format: "Trace Event Format", Google, 2016.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "vmm/export/programs.hpp"
#include "vmm/export/track.hpp"
#include "vmm/record/json_writer.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::vmm::exports {

// Numbers of threads are unique in the whole trace, as Perfetto wants them: the guest's track has
// the number of its process, the host's lies above all that Linux gives out (PID_MAX_LIMIT).
inline constexpr std::uint64_t kHostThreads = 1ULL << 22;
inline constexpr std::uint64_t kMachine = 1ULL << 23;  // process and thread

class TraceWriter {
 public:
  // Appends to `out`, which the caller may empty between calls.
  TraceWriter(fmt::memory_buffer& out, const recording::RunInfo& info);
  void add(const recording::Event& event);
  // The rest. `problem`: why the recording ends early, empty when it is whole.
  void finish(std::string_view problem);

 private:
  // An arrow from the access over the fault to the code that goes on.
  struct Arrow {
    std::uint64_t id = 0;
    std::uint64_t from_ns = 0, over_ns = 0;  // within the slices concerned
    std::uint64_t ended_ns = 0;
  };
  struct Process {
    Track guest, host;
    Slice before, last;  // slices of the guest's track; empty: none yet
    std::optional<Arrow> arrow;
    std::optional<std::uint64_t> exit_number;  // of `last`
  };

  void add(const recording::Event& event, const recording::Exit& exit);
  void add(const recording::Event& event, const recording::Fault& fault);
  void add(const recording::Event& event, const recording::Syscall& call);
  void add(const recording::Event& event, const recording::Signal& signal);
  void add(const recording::Event& event, const recording::VmaChange& change);
  void add(const recording::Event& event, const recording::TableEdits& edits);
  void add(const recording::Event& event, const recording::ProcessChange& change);
  void add(const recording::Event& event, const recording::Switch& change);
  void add(const recording::Event& event, const recording::Counters& counters);
  void add(const recording::Event& event, const recording::End& end);

  // Each begins an object of traceEvents, the caller ends it.
  void begin(char phase, std::string_view name, std::string_view category, std::uint64_t pid, std::uint64_t tid);
  void begin_slice(std::string_view name, std::string_view category, std::uint64_t pid, std::uint64_t tid, Slice at);
  void end_slice(std::string_view name, std::string_view category, std::uint64_t pid, std::uint64_t tid, Slice at);
  void instant(std::string_view name, std::string_view category, const recording::Event& event);
  void counter(std::string_view name, std::uint64_t pid, std::uint64_t time_ns, std::string_view unit,
               std::uint64_t value);
  void parts(std::uint32_t process, const FaultRecord& record, Slice whole);
  void arrow(std::uint32_t process, const Arrow& arrow, Slice resumed);
  void arrow_point(char phase, std::uint64_t id, std::uint64_t pid, std::uint64_t tid, std::uint64_t time_ns);
  void vcpu_slice(std::uint64_t until_ns);
  void name_track(std::string_view what, std::uint64_t pid, std::uint64_t tid, std::string_view name);
  void sort_track(std::string_view what, std::uint64_t pid, std::uint64_t tid, std::int64_t index);
  void names();

  JsonWriter json_;
  Programs programs_;
  std::map<std::uint32_t, Process> processes_;
  std::optional<std::uint32_t> running_;
  std::uint64_t running_since_ = 0, latest_ns_ = 0;
  Track vcpu_;
};

}  // namespace faultline::vmm::exports

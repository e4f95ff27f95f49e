// What happened in a recording and what it cost, in one pass: for each exit reason, ladder path,
// system call and process. Plain values; text, JSON and CSV of it are in vmm/inspect/summary_view.hpp.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>

#include "vmm/inspect/durations.hpp"
#include "vmm/inspect/filter.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::vmm::inspect {

struct ProcessSummary {
  std::uint32_t parent = 0;
  std::string program;        // the last one; empty: its start was not recorded
  std::optional<int> status;  // it ended
  std::uint64_t exits = 0, faults = 0, syscalls = 0;
  std::uint64_t guest_ns = 0;  // in user code
  std::uint64_t rss_pages = 0, rss_peak = 0;
};

struct Summary {
  static constexpr std::size_t kMaxKinds = 4096;  // of paths and of system calls; more are "(others)"

  std::uint64_t events = 0;                       // that matched
  std::uint64_t first_event = 0, last_event = 0;  // 0: none
  std::uint64_t first_ns = 0, last_ns = 0;
  Durations guest;  // user code, from entering the vCPU to leaving it
  // On the host, from leaving the vCPU to entering it again, by what it was left for. The last
  // exit of a recording counts up to the last event.
  std::map<recording::ExitReason, Durations> exits;
  std::map<std::uint32_t, std::uint64_t> raw_exits;  // by RawExit::reason: how often
  // cost_ns() of each fault, by path_name().
  std::map<std::string, Durations> paths;
  // From the start of a call to its end, waiting included, by number; and of those that waited.
  std::map<std::uint64_t, Durations> syscalls;
  Durations waits;
  std::map<std::string, std::uint64_t> outcomes;  // by outcome_name()
  std::map<int, std::uint64_t> signals;           // by number
  std::map<std::uint32_t, ProcessSummary> processes;
  std::optional<recording::End> end;

  [[nodiscard]] std::uint64_t duration_ns() const { return last_ns - first_ns; }
  [[nodiscard]] std::uint64_t fault_count() const;
};

// A number that stands for all system calls beyond kMaxKinds different ones.
inline constexpr std::uint64_t kOtherSyscalls = ~0ULL;

class Summarizer {
 public:
  explicit Summarizer(Filter filter = {}) : filter_(std::move(filter)) {}
  // Every event of the recording, in order, whether it matches the filter or not.
  void add(const recording::Event& event);
  // After the last one.
  Summary finish();

 private:
  void count(const recording::Event& event);
  void leave_exit(std::uint64_t until);

  Filter filter_;
  Summary summary_;
  std::uint64_t latest_ns_ = 0;
  struct Pending {
    recording::ExitReason reason;
    std::uint64_t left_ns;
    bool counted;
  };
  std::optional<Pending> pending_;  // the last exit: the vCPU has not been entered since
};

// What a fault cost: all of its FaultTimes but the guest's own.
std::uint64_t cost_ns(const FaultRecord& record);
// From its beginning to its end; 0 where the clock says otherwise.
std::uint64_t cost_ns(const recording::Syscall& call);

}  // namespace faultline::vmm::inspect

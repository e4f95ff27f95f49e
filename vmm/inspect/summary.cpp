#include "vmm/inspect/summary.hpp"

#include <algorithm>

#include "vmm/record/printable.hpp"

namespace faultline::vmm::inspect {

namespace {

constexpr std::uint64_t elapsed(std::uint64_t from, std::uint64_t to) { return to > from ? to - from : 0; }

// The entry of `key`, or that of `others` when there are too many different ones.
template <class Map, class Key>
auto& bounded(Map& map, const Key& key, const Key& others) {
  const auto found = map.find(key);
  if (found != map.end()) return found->second;
  return map[map.size() < Summary::kMaxKinds ? key : others];
}

struct Count {
  Summary& to;
  std::uint32_t process;

  ProcessSummary& of_process() const { return to.processes[process]; }

  void operator()(const recording::Exit& e) const {
    const std::uint64_t in_guest = elapsed(e.entered_ns, e.left_ns);
    to.guest.add(in_guest);
    ++bounded(to.raw_exits, e.raw.reason, ~0U);
    ++of_process().exits;
    of_process().guest_ns += in_guest;
  }
  void operator()(const recording::Fault& e) const {
    bounded(to.paths, path_name(e.record.path), std::string("(others)")).add(cost_ns(e.record));
    ++to.outcomes[outcome_name(e.record)];
    ++of_process().faults;
  }
  void operator()(const recording::Syscall& e) const {
    bounded(to.syscalls, e.number, kOtherSyscalls).add(cost_ns(e));
    if (e.blocked) to.waits.add(cost_ns(e));
    ++of_process().syscalls;
  }
  void operator()(const recording::Signal& e) const { ++bounded(to.signals, e.number, 0); }
  void operator()(const recording::ProcessChange& e) const {
    ProcessSummary& p = of_process();
    switch (e.event) {
      case recording::ProcessEvent::kStart: break;
      case recording::ProcessEvent::kFork: {
        p.parent = e.parent;
        const auto parent = to.processes.find(e.parent);
        if (parent != to.processes.end()) p.program = parent->second.program;
        break;
      }
      case recording::ProcessEvent::kExec: break;
      case recording::ProcessEvent::kExit: p.status = e.status; return;
    }
    if (!e.program.empty()) p.program = printable(e.program);
  }
  void operator()(const recording::Counters& e) const {
    ProcessSummary& p = of_process();
    p.rss_pages = e.rss_pages;
    p.rss_peak = std::max(p.rss_peak, e.rss_pages);
  }
  void operator()(const recording::End& e) const { to.end = {printable(e.reason), e.status}; }
  void operator()(const recording::VmaChange&) const {}
  void operator()(const recording::TableEdits&) const {}
  void operator()(const recording::Switch&) const {}
};

}  // namespace

std::uint64_t cost_ns(const FaultRecord& record) {
  const FaultTimes& t = record.times;
  return t.exit + t.decide + t.edit + t.resume;
}

std::uint64_t cost_ns(const recording::Syscall& call) { return elapsed(call.started_ns, call.ended_ns); }

std::uint64_t Summary::fault_count() const {
  std::uint64_t all = 0;
  for (const auto& [outcome, count] : outcomes) all += count;
  return all;
}

void Summarizer::add(const recording::Event& event) {
  const bool matches = !filter_.any() || filter_.matches(event);
  latest_ns_ = std::max(latest_ns_, event.time_ns);
  if (const auto* exit = std::get_if<recording::Exit>(&event.body)) {
    leave_exit(exit->entered_ns);
    pending_ = {exit->reason, exit->left_ns, matches};
  }
  if (matches) count(event);
}

void Summarizer::count(const recording::Event& event) {
  Summary& s = summary_;
  if (s.events++ == 0) {
    s.first_event = event.number;
    s.first_ns = s.last_ns = event.time_ns;
  }
  s.last_event = event.number;
  // A fault is written when it is over, so times go back a little now and then.
  s.first_ns = std::min(s.first_ns, event.time_ns);
  s.last_ns = std::max(s.last_ns, event.time_ns);
  std::visit(Count{s, event.process}, event.body);
}

void Summarizer::leave_exit(std::uint64_t until) {
  if (pending_ && pending_->counted) summary_.exits[pending_->reason].add(elapsed(pending_->left_ns, until));
  pending_.reset();
}

Summary Summarizer::finish() {
  leave_exit(latest_ns_);
  return std::move(summary_);
}

}  // namespace faultline::vmm::inspect

#include "vmm/export/trace_writer.hpp"

#include "vmm/linux_abi/syscall.hpp"
#include "vmm/recording/run_info_json.hpp"

namespace faultline::vmm::exports {

namespace {

constexpr std::uint64_t kKibPerPage = kPageSize / 1024;

// A hostile file may name any time: sums of a few of these do not overflow.
constexpr std::uint64_t earlier(std::uint64_t ns, std::uint64_t by) { return ns > by ? ns - by : 0; }

// Where a fault lies: from leaving the guest, or for an access of the kernel from the request,
// until the guest is entered again, or until the outcome.
Slice whole_of(const recording::Fault& fault) {
  const FaultTimes& t = fault.record.times;
  const std::uint64_t ended = bounded(fault.ended_ns);
  const std::uint64_t began = earlier(ended, bounded(t.decide) + bounded(t.edit));
  if (fault.record.origin != mmu::FaultOrigin::kUser) return {began, ended};
  return {earlier(began, bounded(t.exit)), ended + bounded(t.resume)};
}

}  // namespace

TraceWriter::TraceWriter(fmt::memory_buffer& out, const recording::RunInfo& info) : json_(out) {
  json_.begin_object();
  json_.key("displayTimeUnit").string("ns");
  json_.key("otherData").begin_object();
  recording::write_run(json_, info);
  json_.key("memory_bytes").number(info.memory_bytes);
  json_.key("started_unix_ns").number(info.started_unix_ns);
  json_.end_object();
  json_.key("traceEvents").begin_array();
}

void TraceWriter::add(const recording::Event& event) {
  programs_.see(event);
  if (!running_) {
    running_ = event.process;
    running_since_ = bounded(event.time_ns);
  }
  latest_ns_ = std::max(latest_ns_, bounded(event.time_ns));
  std::visit([&](const auto& body) { add(event, body); }, event.body);
}

void TraceWriter::add(const recording::Event& event, const recording::Exit& exit) {
  Process& process = processes_[event.process];
  const Slice at = process.guest.after_all({bounded(exit.entered_ns), bounded(exit.left_ns)});
  process.guest.mark();
  process.host.mark();
  begin_slice("guest", "guest", event.process, event.process, at);
  json_.key("args").begin_object();
  json_.key("event").number(event.number);
  json_.key("exit").string(name(exit.reason));
  json_.key("qualification").hex(exit.qualification);
  json_.key("detail").hex(exit.detail);
  json_.key("rip").hex(exit.rip.raw());
  json_.key("cpl").number(unsigned{exit.cpl});
  json_.key("raw_reason").number(exit.raw.reason);
  json_.key("entries").number(exit.raw.entries);
  json_.end_object();
  json_.end_object();
  end_slice("guest", "guest", event.process, event.process, at);
  process.before = process.last;
  process.last = at;
  latest_ns_ = std::max(latest_ns_, at.end);
  if (process.arrow && at.begin >= process.arrow->ended_ns) {
    arrow(event.process, *process.arrow, at);
    process.arrow.reset();
  }
}

void TraceWriter::parts(std::uint32_t process, const FaultRecord& record, Slice whole) {
  std::uint64_t from = whole.begin;
  const auto part = [&](std::string_view name, std::uint64_t nanoseconds) {
    const std::uint64_t until = std::min(from + bounded(nanoseconds), whole.end);
    if (until <= from) return;
    begin_slice(name, "fault", process, kHostThreads + process, {from, until});
    json_.end_object();
    end_slice(name, "fault", process, kHostThreads + process, {from, until});
    from = until;
  };
  const bool user = record.origin == mmu::FaultOrigin::kUser;
  if (user) part("exit", record.times.exit);
  part("decide", record.times.decide);
  part("edit", record.times.edit);
  if (user) part("resume", record.times.resume);
}

void TraceWriter::add(const recording::Event& event, const recording::Fault& fault) {
  const FaultRecord& r = fault.record;
  Process& process = processes_[event.process];
  const Slice whole = process.host.after_all(whole_of(fault));
  const std::string_view title = r.path.steps().empty() ? "fault" : mmu::name(r.path.decided_by());
  begin_slice(title, "fault", event.process, kHostThreads + event.process, whole);
  json_.key("args").begin_object();
  json_.key("event").number(event.number);
  json_.key("fault").number(r.sequence);
  json_.key("origin").string(name(r.origin));
  json_.key("address").hex(r.address.raw());
  json_.key("ip").hex(r.ip.raw());
  json_.key("error").string(r.error.bit_names());
  json_.key("instruction").string(r.instruction.text.view());
  json_.key("vma").string(r.vma ? r.vma->name.view() : "none");
  std::string path;
  for (const mmu::FaultStep step : r.path.steps()) (path += path.empty() ? "" : " > ") += mmu::name(step);
  json_.key("path").string(path);
  json_.key("outcome").string(name(r.end));
  if (r.signal != 0) json_.key("signal").string(signal_name(r.signal));
  json_.key("edits").number(r.edits.total_edits());
  json_.end_object();
  json_.end_object();
  parts(event.process, r, whole);
  end_slice(title, "fault", event.process, kHostThreads + event.process, whole);
  latest_ns_ = std::max(latest_ns_, whole.end);

  if (r.origin != mmu::FaultOrigin::kUser) return;
  // The run that faulted ended before the fault began. The one after may have been seen already.
  const std::uint64_t ended = bounded(fault.ended_ns);
  const bool resumed = process.last.end != 0 && process.last.begin >= ended;
  const Slice source = resumed ? process.before : process.last;
  process.arrow.reset();
  if (source.end == 0) return;
  const Arrow found{event.number, source.end - 1, whole.begin, ended};
  if (resumed) {
    arrow(event.process, found, process.last);
  } else {
    process.arrow = found;
  }
}

void TraceWriter::add(const recording::Event& event, const recording::Syscall& call) {
  const Slice at = processes_[event.process].host.around({bounded(call.started_ns), bounded(call.ended_ns)});
  const std::string_view known = linux_abi::syscall_name(call.number);
  const std::string title = known.empty() ? fmt::format("syscall_{}", call.number) : std::string(known);
  begin_slice(title, "syscall", event.process, kHostThreads + event.process, at);
  json_.key("args").begin_object();
  json_.key("event").number(event.number);
  json_.key("arguments").begin_array();
  for (const std::uint64_t argument : call.arguments) json_.hex(argument);
  json_.end_array();
  json_.key("result").number(call.result);
  json_.key("blocked").boolean(call.blocked);
  json_.end_object();
  json_.end_object();
  end_slice(title, "syscall", event.process, kHostThreads + event.process, at);
  latest_ns_ = std::max(latest_ns_, at.end);
}

void TraceWriter::add(const recording::Event& event, const recording::Signal& signal) {
  const std::string_view known = signal_name(signal.number);
  instant(known.empty() ? fmt::format("signal {}", signal.number) : std::string(known), "signal", event);
  json_.key("args").begin_object();
  json_.key("event").number(event.number);
  json_.key("code").number(signal.code);
  json_.key("address").hex(signal.address.raw());
  json_.key("action").string(name(signal.action));
  json_.end_object();
  json_.end_object();
}

void TraceWriter::add(const recording::Event& event, const recording::VmaChange& change) {
  instant(change.operation, "memory", event);
  json_.key("args").begin_object();
  json_.key("event").number(event.number);
  json_.key("start").hex(change.start.raw());
  json_.key("end").hex(change.end.raw());
  json_.key("removed").number(change.removed.size());
  json_.key("added").number(change.added.size());
  json_.end_object();
  json_.end_object();
}

void TraceWriter::add(const recording::Event& event, const recording::TableEdits& edits) {
  instant("table edits", "memory", event);
  json_.key("args").begin_object();
  json_.key("event").number(event.number);
  json_.key("root").hex(edits.root.raw());
  json_.key("edits").number(edits.edits.size());
  json_.end_object();
  json_.end_object();
}

void TraceWriter::add(const recording::Event& event, const recording::ProcessChange& change) {
  instant(name(change.event), "process", event);
  json_.key("args").begin_object();
  json_.key("event").number(event.number);
  if (change.event == recording::ProcessEvent::kFork) json_.key("parent").number(change.parent);
  if (change.event == recording::ProcessEvent::kExit) json_.key("status").number(change.status);
  if (!change.program.empty()) json_.key("program").string(change.program);
  json_.end_object();
  json_.end_object();
}

void TraceWriter::vcpu_slice(std::uint64_t until_ns) {
  if (!running_ || until_ns <= running_since_) return;
  const Slice at = vcpu_.after_all({running_since_, until_ns});
  vcpu_.mark();
  const std::string title = fmt::format("{} ({})", programs_.name(*running_), *running_);
  begin_slice(title, "vcpu", kMachine, kMachine, at);
  json_.end_object();
  end_slice(title, "vcpu", kMachine, kMachine, at);
}

void TraceWriter::add(const recording::Event& event, const recording::Switch& change) {
  running_ = change.from;
  vcpu_slice(bounded(event.time_ns));
  running_ = event.process;
  running_since_ = bounded(event.time_ns);
  begin('i', "switch", "vcpu", kMachine, kMachine);
  json_.key("ts").thousandths(bounded(event.time_ns));
  json_.key("s").string("t");
  json_.key("args").begin_object();
  json_.key("event").number(event.number);
  json_.key("from").number(change.from);
  json_.key("to").number(event.process);
  json_.end_object();
  json_.end_object();
}

void TraceWriter::add(const recording::Event& event, const recording::Counters& counters) {
  const std::uint64_t now = bounded(event.time_ns);
  counter("RSS", event.process, now, "KiB", bounded(counters.rss_pages) * kKibPerPage);
  counter("page tables", event.process, now, "KiB", bounded(counters.table_pages) * kKibPerPage);
  counter("free frames", kMachine, now, "frames", counters.free_frames);
}

void TraceWriter::add(const recording::Event& event, const recording::End& end) {
  begin('i', "end: " + end.reason, "run", kMachine, kMachine);
  json_.key("ts").thousandths(bounded(event.time_ns));
  json_.key("s").string("g");
  json_.key("args").begin_object();
  json_.key("event").number(event.number);
  json_.key("status").number(end.status);
  json_.end_object();
  json_.end_object();
}

void TraceWriter::finish(std::string_view problem) {
  vcpu_slice(latest_ns_);
  if (!problem.empty()) {
    begin('i', problem, "run", kMachine, kMachine);
    json_.key("ts").thousandths(latest_ns_);
    json_.key("s").string("g");
    json_.end_object();
  }
  names();
  json_.end_array();
  json_.end_object();
}

}  // namespace faultline::vmm::exports

// The objects of the trace event format, whatever they speak of.
#include "vmm/export/trace_writer.hpp"

namespace faultline::vmm::exports {

void TraceWriter::begin(char phase, std::string_view name, std::string_view category, std::uint64_t pid,
                        std::uint64_t tid) {
  json_.begin_object();
  json_.key("ph").string({&phase, 1});
  json_.key("name").string(name);
  json_.key("cat").string(category);
  json_.key("pid").number(pid);
  json_.key("tid").number(tid);
}

// A slice is two events, not one with a duration: viewers keep times as doubles, in which a begin
// plus a duration may lie behind the begin of the next slice.
void TraceWriter::begin_slice(std::string_view name, std::string_view category, std::uint64_t pid, std::uint64_t tid,
                              Slice at) {
  begin('B', name, category, pid, tid);
  json_.key("ts").thousandths(at.begin);
}

void TraceWriter::end_slice(std::string_view name, std::string_view category, std::uint64_t pid, std::uint64_t tid,
                            Slice at) {
  begin('E', name, category, pid, tid);
  json_.key("ts").thousandths(at.end);
  json_.end_object();
}

void TraceWriter::instant(std::string_view name, std::string_view category, const recording::Event& event) {
  begin('i', name, category, event.process, kHostThreads + event.process);
  json_.key("ts").thousandths(bounded(event.time_ns));
  json_.key("s").string("t");  // as high as its track
}

void TraceWriter::counter(std::string_view name, std::uint64_t pid, std::uint64_t time_ns, std::string_view unit,
                          std::uint64_t value) {
  begin('C', name, "memory", pid, pid);
  json_.key("ts").thousandths(time_ns);
  json_.key("args").begin_object();
  json_.key(unit).number(value);
  json_.end_object();
  json_.end_object();
}

// Both ends of an arrow bind to the slice that is open at their time ("bp": "e"); it begins and
// steps in the one that encloses it anyway.
void TraceWriter::arrow_point(char phase, std::uint64_t id, std::uint64_t pid, std::uint64_t tid,
                              std::uint64_t time_ns) {
  begin(phase, "fault", "fault", pid, tid);
  json_.key("id").number(id);
  json_.key("ts").thousandths(time_ns);
  if (phase == 'f') json_.key("bp").string("e");
  json_.end_object();
}

void TraceWriter::arrow(std::uint32_t process, const Arrow& arrow, Slice resumed) {
  arrow_point('s', arrow.id, process, process, arrow.from_ns);
  arrow_point('t', arrow.id, process, kHostThreads + process, arrow.over_ns);
  arrow_point('f', arrow.id, process, process, resumed.begin);
}

void TraceWriter::name_track(std::string_view what, std::uint64_t pid, std::uint64_t tid, std::string_view name) {
  begin('M', what, "__metadata", pid, tid);
  json_.key("args").begin_object();
  json_.key("name").string(name);
  json_.end_object();
  json_.end_object();
}

void TraceWriter::sort_track(std::string_view what, std::uint64_t pid, std::uint64_t tid, std::int64_t index) {
  begin('M', what, "__metadata", pid, tid);
  json_.key("args").begin_object();
  json_.key("sort_index").number(index);
  json_.end_object();
  json_.end_object();
}

// At the end, when each process has the name of the last program that it ran.
void TraceWriter::names() {
  name_track("process_name", kMachine, kMachine, "machine");
  sort_track("process_sort_index", kMachine, kMachine, -1);
  name_track("thread_name", kMachine, kMachine, "vCPU");
  for (const auto& [process, program] : programs_.all()) {
    const std::uint64_t host = kHostThreads + process;
    name_track("process_name", process, process, program);
    sort_track("process_sort_index", process, process, process);
    name_track("thread_name", process, process, "guest");
    sort_track("thread_sort_index", process, process, 0);
    name_track("thread_name", process, host, "host");
    sort_track("thread_sort_index", process, host, 1);
  }
}

}  // namespace faultline::vmm::exports

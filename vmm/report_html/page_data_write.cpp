// The tables as bytes.
#include "vmm/report_html/page_data.hpp"

#include "vmm/recording/run_info_json.hpp"

namespace faultline::vmm::report_html {

namespace {

// Changes with every change that an older page could not read.
constexpr unsigned kPageDataVersion = 2;

using Named = std::vector<std::pair<std::string, const Column*>>;

void put(Named& table, const std::string& name, const Column& column) { table.emplace_back(name, &column); }
void put(Named& table, const std::string& name, const WideColumn& column) {
  table.emplace_back(name + ".low", &column.low);
  table.emplace_back(name + ".high", &column.high);
}

}  // namespace

std::string PageData::finish(std::string_view problem) {
  write_tables();
  fmt::memory_buffer header;
  JsonWriter w(header);
  write_header(w, problem);
  while (header.size() % 4 != 0) header.push_back(' ');
  std::string out;
  for (unsigned shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(header.size() >> shift));
  out.append(header.data(), header.size());
  for (const auto& [name, column] : table_) out += column->bytes();
  return out;
}

void PageData::write_header(JsonWriter& w, std::string_view problem) const {
  w.begin_object();
  w.key("version").number(kPageDataVersion);
  recording::write_run(w, info_);
  w.key("memory").number(info_.memory_bytes);
  w.key("levels").number(mmu::levels(info_.mode));
  w.key("started").number(info_.started_unix_ns / 1'000'000);
  w.key("ring").number(info_.ring_bytes);
  w.key("first").number(first_event_);
  w.key("last").number(last_event_);
  w.key("end_ns").number(last_time_);
  w.key("end").string(end_.reason);
  w.key("status").number(end_.status);
  w.key("problem").string(problem);
  w.key("left_out").begin_object();
  w.key("faults").number(left_out_.faults);
  w.key("edits").number(left_out_.edits);
  w.key("vmas").number(left_out_.vmas);
  w.key("exits").number(left_out_.exits);
  w.key("syscalls").number(left_out_.syscalls);
  w.key("signals").number(left_out_.signals);
  w.key("counters").number(left_out_.counters);
  w.key("spaces").number(left_out_.spaces);
  w.end_object();
  w.key("paths").begin_array();
  for (const auto& path : paths_) {
    w.begin_array();
    for (const std::string_view step : path) w.string(step);
    w.end_array();
  }
  w.end_array();
  w.key("texts").begin_array();
  for (const std::string& text : texts_.all()) w.string(text);
  w.end_array();
  w.key("columns").begin_array();
  for (const auto& [name, column] : table_) {
    w.begin_array();
    w.string(name);
    w.number(column->rows());
    w.number(column->bytes().size());
    w.end_array();
  }
  w.end_array();
  w.end_object();
}

void PageData::write_tables() {
  Named& t = table_;
  const Faults& f = faults_;
  put(t, "fault.event", f.event), put(t, "fault.time", f.time), put(t, "fault.ip", f.ip);
  put(t, "fault.address", f.address), put(t, "fault.offset", f.offset);
  put(t, "fault.signal_address", f.signal_address), put(t, "fault.frames", f.frames);
  for (unsigned n = 0; n < mmu::kMaxLevel; ++n) {
    put(t, "fault.slot" + std::to_string(n), f.slot[n]);
    put(t, "fault.entry" + std::to_string(n), f.entry[n]);
  }
  const std::pair<const char*, const Column*> narrow[] = {{"sequence", &f.sequence},
                                                          {"process", &f.process},
                                                          {"space", &f.space},
                                                          {"origin", &f.origin},
                                                          {"error", &f.error},
                                                          {"error_text", &f.error_text},
                                                          {"instruction", &f.instruction},
                                                          {"bytes", &f.bytes},
                                                          {"operand", &f.operand},
                                                          {"verdict", &f.verdict},
                                                          {"differ", &f.differ},
                                                          {"flags", &f.flags},
                                                          {"vma", &f.vma},
                                                          {"path", &f.path},
                                                          {"tlb", &f.tlb},
                                                          {"end", &f.end},
                                                          {"signal", &f.signal},
                                                          {"signal_code", &f.signal_code},
                                                          {"guest", &f.guest},
                                                          {"exit", &f.exit},
                                                          {"decide", &f.decide},
                                                          {"edit", &f.edit},
                                                          {"resume", &f.resume},
                                                          {"blame_level", &f.blame_level},
                                                          {"blame_bit", &f.blame_bit},
                                                          {"walk_end", &f.walk_end},
                                                          {"walk_count", &f.walk_count},
                                                          {"first_edit", &f.first_edit},
                                                          {"edits", &f.edits},
                                                          {"edits_left_out", &f.edits_left_out},
                                                          {"allocated", &f.allocated},
                                                          {"copied", &f.copied}};
  for (const auto& [name, column] : narrow) put(t, std::string("fault.") + name, *column);

  put(t, "edit.event", edits_.event), put(t, "edit.space", edits_.space), put(t, "edit.level", edits_.level);
  put(t, "edit.address", edits_.address), put(t, "edit.slot", edits_.slot);
  put(t, "edit.before", edits_.before), put(t, "edit.after", edits_.after);
  put(t, "exit.entered", exits_.entered), put(t, "exit.left", exits_.left);
  put(t, "exit.reason", exits_.reason), put(t, "exit.space", exits_.space);
  put(t, "call.event", syscalls_.event), put(t, "call.time", syscalls_.time);
  put(t, "call.duration", syscalls_.duration), put(t, "call.name", syscalls_.name);
  put(t, "call.result", syscalls_.result), put(t, "call.space", syscalls_.space);
  put(t, "call.blocked", syscalls_.blocked);
  put(t, "signal.event", signals_.event), put(t, "signal.time", signals_.time);
  put(t, "signal.address", signals_.address), put(t, "signal.number", signals_.number);
  put(t, "signal.name", signals_.name), put(t, "signal.code", signals_.code);
  put(t, "signal.action", signals_.action), put(t, "signal.space", signals_.space);
  put(t, "counter.time", counters_.time), put(t, "counter.rss", counters_.rss);
  put(t, "counter.tables", counters_.tables), put(t, "counter.free", counters_.free);
  put(t, "counter.space", counters_.space);
  put(t, "vma.start", vma_start_), put(t, "vma.end", vma_end_), put(t, "vma.pgoff", vma_pgoff_);
  put(t, "vma.flags", vma_flags_), put(t, "vma.bits", vma_bits_), put(t, "vma.name", vma_name_);

  // These are known in full only now.
  for (const VmaRow& row : vma_rows_) {
    area_.vma.add(row.vma), area_.space.add(row.space), area_.operation.add(row.operation);
    area_.from.add(row.from), area_.to.add(row.to);
  }
  put(t, "area.vma", area_.vma), put(t, "area.space", area_.space), put(t, "area.operation", area_.operation);
  put(t, "area.from", area_.from), put(t, "area.to", area_.to);
  for (const Space& space : spaces_) {
    space_table_.process.add(space.process), space_table_.parent.add(space.parent);
    space_table_.program.add(space.program), space_table_.status.add(static_cast<std::uint32_t>(space.status));
    space_table_.from.add(space.from), space_table_.to.add(space.to);
  }
  put(t, "space.process", space_table_.process), put(t, "space.parent", space_table_.parent);
  put(t, "space.program", space_table_.program), put(t, "space.status", space_table_.status);
  put(t, "space.from", space_table_.from), put(t, "space.to", space_table_.to);
}

}  // namespace faultline::vmm::report_html

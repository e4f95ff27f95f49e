// An event as a row: the same ten fields for every kind, and in JSON all that it holds.
#include "vmm/inspect/event_text.hpp"
#include "vmm/inspect/fault_view.hpp"
#include "vmm/inspect/filter.hpp"
#include "vmm/inspect/summary.hpp"
#include "vmm/record/printable.hpp"

namespace faultline::vmm::inspect {

namespace {

using namespace recording;

// What the fields "name", "address" and "duration_ns" of the table say.
struct Cells {
  std::string name;
  std::optional<Gva> address;
  std::optional<std::uint64_t> duration_ns;
};

struct CellsOf {
  Cells operator()(const Exit& e) const {
    const std::uint64_t guest = e.left_ns > e.entered_ns ? e.left_ns - e.entered_ns : 0;
    const bool fault = e.reason == ExitReason::kPageFault;
    return {std::string(name(e.reason)), fault ? std::optional(Gva(e.qualification)) : std::nullopt, guest};
  }
  Cells operator()(const Fault& e) const { return {path_name(e.record.path), e.record.address, cost_ns(e.record)}; }
  Cells operator()(const Syscall& e) const { return {syscall_text(e.number), {}, cost_ns(e)}; }
  Cells operator()(const Signal& e) const { return {signal_text(e.number), e.address, {}}; }
  Cells operator()(const VmaChange& e) const { return {printable(e.operation), e.start, {}}; }
  Cells operator()(const TableEdits&) const { return {}; }
  Cells operator()(const ProcessChange& e) const { return {std::string(name(e.event)), {}, {}}; }
  Cells operator()(const Switch&) const { return {}; }
  Cells operator()(const Counters&) const { return {}; }
  Cells operator()(const End& e) const { return {printable(e.reason), {}, {}}; }
};

void write_vma(JsonWriter& w, const VmaInfo& v) {
  w.begin_object();
  w.key("start").hex(v.start.raw());
  w.key("end").hex(v.end.raw());
  w.key("flags").string(v.flags.text());
  w.key("pgoff").hex(v.pgoff.raw());
  w.key("name").string(v.name.view());
  w.end_object();
}

void write_regs(JsonWriter& w, const UserRegs& regs) {
  w.key("regs").begin_object();
  for (unsigned n = 0; n < kRegisterNames.size(); ++n) w.key(kRegisterNames[n]).hex(regs[n]);
  w.key("rip").hex(regs.rip);
  w.key("rflags").hex(regs.rflags);
  w.end_object();
}

struct WriteBody {
  JsonWriter& w;

  void operator()(const Exit& e) const {
    w.key("reason").string(name(e.reason));
    w.key("qualification").hex(e.qualification);
    w.key("detail").number(e.detail);
    w.key("entered_ns").number(e.entered_ns);
    w.key("left_ns").number(e.left_ns);
    w.key("rip").hex(e.rip.raw());
    w.key("cpl").number(unsigned{e.cpl});
    w.key("raw").begin_object();
    w.key("reason").number(e.raw.reason);
    w.key("port").hex(e.raw.port);
    w.key("size").number(unsigned{e.raw.size});
    w.key("write").boolean(e.raw.write);
    w.key("address").hex(e.raw.address);
    w.key("data").hex(e.raw.data);
    w.key("entries").number(e.raw.entries);
    w.end_object();
    if (e.regs) write_regs(w, *e.regs);
  }
  void operator()(const Fault& e) const {
    w.key("sequence").number(e.record.sequence);
    w.key("origin").string(name(e.record.origin));
    w.key("error").hex(e.record.error.raw());
    w.key("ip").hex(e.record.ip.raw());
    w.key("instruction").string(e.record.instruction.text.view());
    w.key("vma").string(vma_name(e.record.vma));
    w.key("path").begin_array();
    for (const mmu::FaultStep step : e.record.path.steps()) w.string(mmu::name(step));
    w.end_array();
    w.key("outcome").string(outcome_name(e.record));
    w.key("ended_ns").number(e.ended_ns);
    write_edits(w, e.all_edits.empty() ? e.record.edits.edits() : std::span<const mmu::PteEdit>(e.all_edits));
  }
  void operator()(const Syscall& e) const {
    w.key("number").number(e.number);
    w.key("arguments").begin_array();
    for (const std::uint64_t a : e.arguments) w.hex(a);
    w.end_array();
    w.key("result").number(e.result);
    w.key("started_ns").number(e.started_ns);
    w.key("ended_ns").number(e.ended_ns);
    w.key("blocked").boolean(e.blocked);
  }
  void operator()(const Signal& e) const {
    w.key("signal").number(e.number);
    w.key("code").number(e.code);
    w.key("action").string(name(e.action));
  }
  void operator()(const VmaChange& e) const {
    w.key("end").hex(e.end.raw());
    w.key("removed").begin_array();
    for (const Gva start : e.removed) w.hex(start.raw());
    w.end_array();
    w.key("added").begin_array();
    for (const VmaInfo& v : e.added) write_vma(w, v);
    w.end_array();
  }
  void operator()(const TableEdits& e) const {
    w.key("root").hex(e.root.raw());
    write_edits(w, e.edits);
  }
  void operator()(const ProcessChange& e) const {
    w.key("parent").number(e.parent);
    w.key("root").hex(e.root.raw());
    w.key("program").string(e.program);
    w.key("status").number(e.status);
  }
  void operator()(const Switch& e) const { w.key("from").number(e.from); }
  void operator()(const Counters& e) const {
    w.key("rss_pages").number(e.rss_pages);
    w.key("table_pages").number(e.table_pages);
    w.key("free_frames").number(e.free_frames);
    w.key("minor").number(e.minor);
    w.key("major").number(e.major);
  }
  void operator()(const End& e) const { w.key("status").number(e.status); }
};

}  // namespace

void append_row(RowWriter& rows, const Event& event) {
  const Cells cells = std::visit(CellsOf{}, event.body);
  rows.begin();
  rows.number("event", event.number).number("time_ns", event.time_ns).number("process", event.process);
  rows.text("kind", kind_name(event.body));
  cells.name.empty() ? rows.none("name") : rows.text("name", cells.name);
  cells.address ? rows.hex("address", cells.address->raw()) : rows.none("address");
  cells.duration_ns ? rows.number("duration_ns", *cells.duration_ns) : rows.none("duration_ns");
  rows.text("text", describe(event));
  if (JsonWriter* w = rows.json()) {
    w->key("body").begin_object();
    std::visit(WriteBody{*w}, event.body);
    w->end_object();
  }
  rows.end();
}

}  // namespace faultline::vmm::inspect

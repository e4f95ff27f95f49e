#include "vmm/inspect/fault_view.hpp"

#include "vmm/inspect/event_text.hpp"
#include "vmm/inspect/filter.hpp"
#include "vmm/inspect/painter.hpp"
#include "vmm/inspect/summary.hpp"

namespace faultline::vmm::inspect {

namespace {

using namespace recording;

const Fault& fault_of(const Event& event) { return std::get<Fault>(event.body); }

std::span<const mmu::PteEdit> edits_of(const Fault& fault) {
  if (fault.all_edits.empty()) return fault.record.edits.edits();
  return fault.all_edits;
}

// "user write P": who, how, and whether an entry was present.
std::string access_text(const FaultRecord& r) {
  const std::string_view how = r.error.fetch() ? "exec" : r.error.write() ? "write" : "read";
  return fmt::format("{}{}", how, r.error.present() ? " prot" : "");
}

Ink ink_of(FaultEnd end) {
  switch (end) {
    case FaultEnd::kMinor: return Ink::kGreen;
    case FaultEnd::kMajor: return Ink::kYellow;
    case FaultEnd::kSignal:
    case FaultEnd::kEfault: return Ink::kRed;
  }
  return Ink::kDim;
}

}  // namespace

void append_fault_heading(fmt::memory_buffer& out, Colour colour) {
  Painter(out, colour)
      .heading(fmt::format("{:>8} {:>13} {:>6}  {:<16} {:<10} {:<7} {:>9}  {:<48} {:<24} {}", "fault", "time ms", "pid",
                           "address", "access", "outcome", "cost us", "path", "vma", "instruction"));
}

void append_fault_line(fmt::memory_buffer& out, const Event& event, Colour colour) {
  const FaultRecord& r = fault_of(event).record;
  Painter p(out, colour);
  p.put("{:>8} ", r.sequence).ink(Ink::kDim, fmt::format("{:>13.6f}", millis(event.time_ns)));
  p.put(" {:>6}  {:<#16x} {:<10} ", r.process, r.address.raw(), access_text(r));
  p.ink(ink_of(r.end), fmt::format("{:<7}", outcome_name(r)));
  p.put(" {:>9.1f}  {:<48} {:<24} ", micros(cost_ns(r)), path_name(r.path), vma_name(r.vma));
  if (r.origin != mmu::FaultOrigin::kUser) {
    p.put("(in a system call: {})", name(r.origin));
  } else {
    p.raw(r.instruction.text.view());
  }
  p.end();
}

void append_fault_row(RowWriter& rows, const Event& event) {
  const FaultRecord& r = fault_of(event).record;
  rows.begin();
  rows.number("event", event.number).number("time_ns", event.time_ns).number("process", event.process);
  rows.number("fault", r.sequence).text("origin", name(r.origin)).hex("address", r.address.raw());
  rows.hex("error", r.error.raw()).text("access", r.error.spelled_out()).hex("ip", r.ip.raw());
  rows.text("instruction", r.instruction.text.view()).text("vma", vma_name(r.vma)).text("path", path_name(r.path));
  rows.text("outcome", outcome_name(r)).number("cost_ns", cost_ns(r));
  rows.number("guest_ns", r.times.guest).number("exit_ns", r.times.exit).number("decide_ns", r.times.decide);
  rows.number("edit_ns", r.times.edit).number("resume_ns", r.times.resume);
  rows.number("edits", edits_of(fault_of(event)).size());
  rows.end();
}

void append_fault_detail(fmt::memory_buffer& out, const Event& event, Colour colour) {
  const Fault& fault = fault_of(event);
  append_text(out, fault.record, colour);
  Painter p(out, colour);
  const auto edits = edits_of(fault);
  const std::size_t shown = fault.record.edits.edits().size();
  for (std::size_t n = shown; n < edits.size(); ++n) {
    const mmu::PteEdit& e = edits[n];
    p.raw("  ")
        .ink(Ink::kDim, "edit")
        .put("      level {} of {:#x} at {:#x}: {} -> {}", e.level, e.address.raw(), e.slot.raw(),
             e.before.describe(e.level), e.after.describe(e.level));
    p.end();
  }
  p.raw("  ").ink(Ink::kDim, "recorded").put("  event {}, at {:.6f} ms", event.number, millis(event.time_ns)).end();
}

void append_fault_object(fmt::memory_buffer& out, const Event& event) {
  const Fault& fault = fault_of(event);
  fmt::memory_buffer record;
  append_json(record, fault.record);
  JsonWriter w(out);
  w.begin_object();
  w.key("event").number(event.number);
  w.key("time_ns").number(event.time_ns);
  w.key("ended_ns").number(fault.ended_ns);
  w.key("record").raw({record.data(), record.size() - 1});  // without its newline
  write_edits(w, edits_of(fault));
  w.end_object();
  out.push_back('\n');
}

void write_edits(JsonWriter& w, std::span<const mmu::PteEdit> edits) {
  w.key("edits").begin_array();
  for (const mmu::PteEdit& e : edits) {
    w.begin_object();
    w.key("address").hex(e.address.raw());
    w.key("level").number(e.level);
    w.key("slot").hex(e.slot.raw());
    w.key("before").hex(e.before.raw());
    w.key("after").hex(e.after.raw());
    w.end_object();
  }
  w.end_array();
}

}  // namespace faultline::vmm::inspect

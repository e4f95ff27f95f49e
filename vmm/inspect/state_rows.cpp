// The figures of a state, and the state as rows.
#include <set>

#include "vmm/inspect/state_view.hpp"
#include "vmm/inspect/table_order.hpp"

namespace faultline::vmm::inspect {

namespace {

using recording::MachineState;
using recording::ProcessState;

void write_machine(JsonWriter& w, const MachineState& state) {
  w.begin_object();
  w.key("kind").string("state");
  w.key("version").number(1);
  w.key("event").number(state.event);
  w.key("time_ns").number(state.time_ns);
  w.key("running").number(state.running);
  w.end_object();
}

void write_process(JsonWriter& w, const ProcessState& process, const TableFigures& f) {
  w.begin_object();
  w.key("kind").string("process");
  w.key("process").number(process.process);
  w.key("parent").number(process.parent);
  w.key("program").string(process.program);
  w.key("root").hex(process.root.raw());
  w.key("status");
  process.status ? w.number(*process.status) : w.null();
  w.key("faults").number(process.faults);
  w.key("syscalls").number(process.syscalls);
  w.key("minor").number(process.counters.minor);
  w.key("major").number(process.counters.major);
  w.key("rss_pages").number(process.counters.rss_pages);
  w.key("table_pages").number(process.counters.table_pages);
  w.key("free_frames").number(process.counters.free_frames);
  w.key("mapped_pages").number(f.pages);
  w.key("writable").number(f.writable);
  w.key("dirty").number(f.dirty);
  w.key("zero_page").number(f.zero_page);
  w.key("shared").number(f.shared);
  w.key("prot_none").number(f.prot_none);
  w.key("swapped").number(f.swapped);
  w.key("markers").number(f.markers);
  w.end_object();
}

void append_vma(RowWriter& rows, std::uint32_t pid, const VmaInfo& vma, std::uint64_t mapped) {
  rows.begin();
  rows.text("kind", "vma").number("process", pid).hex("start", vma.start.raw()).hex("end", vma.end.raw());
  rows.text("flags", vma.flags.text()).text("name", vma.name.view()).hex("pgoff", vma.pgoff.raw());
  rows.number("mapped_pages", mapped).none("level").none("slot").none("entry");
  rows.end();
}

void append_entry(RowWriter& rows, std::uint32_t pid, std::uint64_t slot, const recording::TableEntry& e) {
  rows.begin();
  rows.text("kind", "entry").number("process", pid).hex("start", e.address.raw());
  rows.hex("end", TableOrder::end_of(e).raw()).text("flags", e.entry.flag_names(e.level));
  rows.text("name", mmu::sdm_entry_name(e.level)).none("pgoff").none("mapped_pages");
  rows.number("level", e.level).hex("slot", slot).hex("entry", e.entry.raw());
  rows.end();
}

}  // namespace

FrameUse frame_use(const MachineState& state) {
  FrameUse use;
  std::set<Gpa> counted;  // after vfork two processes have the same tables
  for (const auto& [pid, process] : state.processes) {
    if (!counted.insert(process.root).second) continue;
    for (const auto& [slot, e] : process.entries)
      if (e.entry.maps_frame(e.level)) ++use[e.entry.frame(e.level).raw()];
  }
  return use;
}

TableFigures table_figures(const ProcessState& process, const FrameUse& use) {
  TableFigures f;
  for (const auto& [slot, e] : process.entries) {
    if (e.level == 0 || e.level > mmu::kMaxLevel) continue;
    const std::uint64_t pages = mmu::level_span(e.level) >> kPageShift;
    switch (e.entry.kind(e.level)) {
      case mmu::PteKind::kNone: break;
      case mmu::PteKind::kTable: ++f.tables; break;
      case mmu::PteKind::kProtNone: ++f.prot_none; break;
      case mmu::PteKind::kSwap:
      case mmu::PteKind::kMigration: ++f.swapped; break;
      case mmu::PteKind::kMarker: ++f.markers; break;
      case mmu::PteKind::kLeaf:
        f.pages += pages;
        f.writable += e.entry.writable() ? pages : 0;
        f.dirty += e.entry.dirty() ? pages : 0;
        f.zero_page += e.entry.special() ? pages : 0;
        if (const auto at = use.find(e.entry.frame(e.level).raw());
            !e.entry.special() && at != use.end() && at->second > 1)
          f.shared += pages;
        break;
    }
  }
  return f;
}

void append_state_rows(fmt::memory_buffer& out, RowFormat format, const StateView& view) {
  const auto asked = [&view](std::uint32_t pid) { return !view.filter.process || *view.filter.process == pid; };
  if (format == RowFormat::kJsonLines) {
    JsonWriter machine(out);
    write_machine(machine, view.state);
    out.push_back('\n');
    const FrameUse use = frame_use(view.state);
    for (const auto& [pid, process] : view.state.processes) {
      if (!asked(pid)) continue;
      JsonWriter one(out);
      write_process(one, process, table_figures(process, use));
      out.push_back('\n');
    }
  }
  RowWriter rows(out, format);
  for (const auto& [pid, process] : view.state.processes) {
    if (!asked(pid)) continue;
    const TableOrder tables(process);
    for (const auto& [start, vma] : process.vmas)
      if (view.filter.wants(vma.start, vma.end)) append_vma(rows, pid, vma, tables.mapped_pages(vma.start, vma.end));
    for (const auto& [slot, entry] : tables.entries())
      if (view.filter.wants(entry->address, TableOrder::end_of(*entry))) append_entry(rows, pid, slot, *entry);
  }
}

}  // namespace faultline::vmm::inspect

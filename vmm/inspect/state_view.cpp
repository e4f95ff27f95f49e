#include "vmm/inspect/state_view.hpp"

#include <algorithm>

#include "vmm/inspect/painter.hpp"
#include "vmm/inspect/table_order.hpp"
#include "vmm/record/printable.hpp"

namespace faultline::vmm::inspect {

namespace {

using recording::ProcessState;

void append_figures(Painter& p, const ProcessState& process, const FrameUse& use) {
  const recording::Counters& c = process.counters;
  p.raw("  ").label("memory").put("rss {} pages, tables {} pages, free frames of the machine {}", c.rss_pages,
                                  c.table_pages, c.free_frames);
  p.end();
  p.raw("  ").label("so far").put("{} faults ({} minor, {} major by the task's count), {} system calls", process.faults,
                                  c.minor, c.major, process.syscalls);
  p.end();
  const TableFigures f = table_figures(process, use);
  p.raw("  ").label("mapped").put(
      "{} pages: {} writable, {} dirty, {} zero page, {} with a frame that is mapped elsewhere too", f.pages,
      f.writable, f.dirty, f.zero_page, f.shared);
  p.end();
  if (f.prot_none + f.swapped + f.markers != 0) {
    p.raw("  ").label("besides").put("{} PROT_NONE, {} swapped or moving, {} markers", f.prot_none, f.swapped,
                                     f.markers);
    p.end();
  }
}

void append_vmas(Painter& p, const StateView& view, const ProcessState& process, const TableOrder& tables) {
  for (const auto& [start, vma] : process.vmas) {
    if (!view.filter.wants(vma.start, vma.end)) continue;
    const std::uint64_t pages = (vma.end.raw() - vma.start.raw()) >> kPageShift;
    p.put("  {:012x}-{:012x} {} {:08x} {:>8} of {:>8} pages  {}\n", vma.start.raw(), vma.end.raw(), vma.flags.text(),
          vma.name.empty() ? 0 : vma.pgoff.raw() << kPageShift, tables.mapped_pages(vma.start, vma.end), pages,
          vma.name.empty() ? "" : vma_name(vma));
  }
}

void append_walk(Painter& p, const StateView& view, const ProcessState& process) {
  if (!view.filter.addresses) return;
  const Gva address(view.filter.addresses->start);
  if (view.filter.addresses->end - address.raw() > kPageSize) return;
  const mmu::Walk w = view.state.walk(process.process, address, view.info.mode);
  p.raw("  ").label("walk").put("of {:#x}: {}", address.raw(), name(w.end));
  if (w.mapped()) p.put(" at guest-physical {:#x}", w.physical().raw());
  p.end();
  for (unsigned n = 0; n < w.count; ++n) {
    const mmu::WalkStep& s = w.steps[n];
    p.raw("  ").label("").put("{:<5} [{:>3}] at {:#010x}: {}\n", mmu::sdm_entry_name(s.level),
                              mmu::table_index(address, s.level), s.slot.raw(), s.entry.describe(s.level));
  }
}

// Leaves with the same flags and neighbouring frames are one line.
class TreePrinter {
 public:
  TreePrinter(Painter& p, mmu::PagingMode mode) : p_(p), mode_(mode) {}
  void entry(std::uint64_t slot, const recording::TableEntry& e) {
    if (e.entry.kind(e.level) != mmu::PteKind::kTable) return leaf(e);
    flush();
    indent(e.level);
    p_.put("{}[{}] {:#014x} at {:#x}: {}\n", mmu::sdm_entry_name(e.level), mmu::table_index(e.address, e.level),
           e.address.raw(), slot, e.entry.describe(e.level));
  }
  void flush() {
    if (count_ == 0) return;
    indent(first_.level);
    p_.put("{} {:#014x} {} page{}: {}{}\n", mmu::sdm_entry_name(first_.level), first_.address.raw(), count_,
           count_ == 1 ? "" : "s", first_.entry.describe(first_.level),
           count_ == 1 || first_.entry.special() ? "" : " onwards");
    count_ = 0;
  }

 private:
  void indent(mmu::Level level) {
    p_.put("{:{}}", "", 2 + 2 * (mmu::levels(mode_) - std::min(level, mmu::levels(mode_))));
  }
  void leaf(const recording::TableEntry& e) {
    if (continues(e)) {
      ++count_;
      return;
    }
    flush();
    first_ = e;
    count_ = 1;
  }
  [[nodiscard]] bool continues(const recording::TableEntry& e) const {
    if (count_ == 0 || first_.level != e.level) return false;
    const std::uint64_t span = mmu::level_span(e.level);
    constexpr std::uint64_t kFlags = ~mmu::Pte::kAddressMask;
    if (e.address.raw() != first_.address.raw() + count_ * span) return false;
    if ((e.entry.raw() & kFlags) != (first_.entry.raw() & kFlags)) return false;
    if (e.entry.special()) return e.entry == first_.entry;
    return e.entry.frame(e.level).raw() == first_.entry.frame(e.level).raw() + count_ * (span >> kPageShift);
  }

  Painter& p_;
  mmu::PagingMode mode_;
  recording::TableEntry first_;
  std::uint64_t count_ = 0;
};

void append_process(Painter& p, const StateView& view, const ProcessState& process, const FrameUse& use) {
  const TableOrder tables(process);
  p.end().ink(Ink::kBold, fmt::format("process {}", process.process));
  p.put("  {}  root {:#x}", process.program.empty() ? "?" : printable(process.program), process.root.raw());
  if (process.parent != 0) p.put(", child of {}", process.parent);
  if (process.status) p.put(", ended with status {}", *process.status);
  p.end();
  append_figures(p, process, use);
  p.raw("  ").heading("VMAs, with the pages that are mapped");
  append_vmas(p, view, process, tables);
  append_walk(p, view, process);
  p.raw("  ").heading("page tables");
  TreePrinter tree(p, view.info.mode);
  for (const auto& [slot, entry] : tables.entries())
    if (view.filter.wants(entry->address, tables.end_of(*entry))) tree.entry(slot, *entry);
  tree.flush();
}

}  // namespace

void append_state_text(fmt::memory_buffer& out, const StateView& view, Colour colour) {
  Painter p(out, colour);
  p.label("state").put("after event {}, at {:.6f} ms; process {} has the vCPU", view.state.event,
                       millis(view.state.time_ns), view.state.running);
  p.end();
  const FrameUse use = frame_use(view.state);
  for (const auto& [pid, process] : view.state.processes)
    if (!view.filter.process || *view.filter.process == pid) append_process(p, view, process, use);
}

}  // namespace faultline::vmm::inspect

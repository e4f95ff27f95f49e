#include "vmm/inspect/event_text.hpp"
#include "vmm/inspect/fault_view.hpp"
#include "vmm/inspect/painter.hpp"

namespace faultline::vmm::inspect {

namespace {

using namespace recording;

void append_what(Painter& p, const Exit& e) {
  p.raw("  ").label("reason").raw(name(e.reason));
  switch (e.reason) {
    case ExitReason::kPageFault:
      p.put(" at {:#x}: {} (error {:#x}: {})", e.qualification, mmu::ErrorCode(e.detail).spelled_out(), e.detail,
            mmu::ErrorCode(e.detail).bit_names());
      break;
    case ExitReason::kSyscall: p.put(" {} ({})", e.qualification, syscall_text(e.qualification)); break;
    case ExitReason::kException: p.put(" {}, error code {:#x}", e.detail, e.qualification); break;
    case ExitReason::kInterrupted:
    case ExitReason::kFatal: break;
  }
  p.end();
}

void append_raw(Painter& p, const ExitDetail& exit, const Exit& e) {
  p.raw("  ").label("backend").raw(raw_exit_name(e.raw.reason, exit.hosted));
  if (e.raw.size != 0) {
    const std::string_view way = e.raw.write ? "to" : "from";
    if (e.raw.port != 0) {
      p.put(", {} byte{} {} port {:#x}", e.raw.size, e.raw.size == 1 ? "" : "s", way, e.raw.port);
    } else {
      p.put(", {} byte{} {} {:#x}", e.raw.size, e.raw.size == 1 ? "" : "s", way, e.raw.address);
    }
    p.put(", data {:#x}", e.raw.data);
  }
  if (e.raw.entries > 1) p.put(", entered {} times until then", e.raw.entries);
  p.end();
}

void append_regs(Painter& p, const UserRegs& regs) {
  for (unsigned n = 0; n < kRegisterNames.size(); ++n) {
    if (n % 4 == 0) p.raw("  ").label(n == 0 ? "registers" : "");
    p.put("{:<3} {:016x}", kRegisterNames[n], regs[n]).raw(n % 4 == 3 ? "\n" : "  ");
  }
  p.raw("  ").label("").put("rip {:016x}  rflags {:#x}", regs.rip, regs.rflags).end();
}

}  // namespace

void append_exit_detail(fmt::memory_buffer& out, const ExitDetail& exit, Colour colour) {
  const Exit& e = std::get<Exit>(exit.event.body);
  Painter p(out, colour);
  p.ink(Ink::kBold, "exit").put(", event {}, process {}", exit.event.number, exit.event.process).end();
  append_what(p, e);
  append_raw(p, exit, e);
  p.raw("  ").label("at").put("rip {:#x}, CPL {}", e.rip.raw(), e.cpl).end();
  p.raw("  ").label("times").put("entered {:.6f} ms, left {:.6f} ms: {} in the guest", millis(e.entered_ns),
                                 millis(e.left_ns),
                                 duration_text(e.left_ns > e.entered_ns ? e.left_ns - e.entered_ns : 0));
  if (exit.host_ns != 0) p.put(", then {} on the host", duration_text(exit.host_ns));
  p.end();
  if (e.regs) append_regs(p, *e.regs);
  if (exit.consequences.empty()) return;
  p.end().heading("what came of it");
  for (const Event& event : exit.consequences) append_line(out, event, colour);
  for (const Event& event : exit.consequences) {
    if (!std::holds_alternative<Fault>(event.body)) continue;
    p.end();
    append_fault_detail(out, event, colour);
  }
}

void append_exit_rows(RowWriter& rows, const ExitDetail& exit) {
  append_row(rows, exit.event);
  for (const Event& event : exit.consequences) append_row(rows, event);
}

}  // namespace faultline::vmm::inspect

#include "vmm/inspect/event_text.hpp"

#include <cstring>

#include "vmm/inspect/filter.hpp"
#include "vmm/inspect/painter.hpp"
#include "vmm/inspect/summary.hpp"
#include "vmm/kvm/exit.hpp"
#include "vmm/linux_abi/trace.hpp"
#include "vmm/record/printable.hpp"

namespace faultline::vmm::inspect {

namespace {

using namespace recording;

std::string exit_text(const Exit& e) {
  switch (e.reason) {
    case ExitReason::kPageFault:
      return fmt::format("page fault at {:#x}: {}", e.qualification, mmu::ErrorCode(e.detail).spelled_out());
    case ExitReason::kSyscall: return "system call " + syscall_text(e.qualification);
    case ExitReason::kException: return fmt::format("exception {}, error code {:#x}", e.detail, e.qualification);
    case ExitReason::kInterrupted: return "interrupted";
    case ExitReason::kFatal: return "fatal";
  }
  return {};
}

std::string vma_text(const VmaInfo& v) {
  return fmt::format("{:#x}-{:#x} {} {}", v.start.raw(), v.end.raw(), v.flags.text(), vma_name(v));
}

struct Describe {
  std::string operator()(const Exit& e) const {
    return fmt::format("{}, rip {:#x}, {} in the guest", exit_text(e), e.rip.raw(),
                       duration_text(e.left_ns > e.entered_ns ? e.left_ns - e.entered_ns : 0));
  }
  std::string operator()(const Fault& e) const {
    const FaultRecord& r = e.record;
    std::string who = r.origin == mmu::FaultOrigin::kUser ? "" : fmt::format(", by {}", name(r.origin));
    return fmt::format("#{} {:#x} {}{}; {}; {}, {} in {}", r.sequence, r.address.raw(), r.error.spelled_out(), who,
                       path_name(r.path), outcome_name(r), duration_text(cost_ns(r)), vma_name(r.vma));
  }
  std::string operator()(const Syscall& e) const {
    const linux_abi::SyscallRecord call{.args = {e.number, e.arguments}, .result = e.result};
    return fmt::format("{}, {}{}", linux_abi::format_syscall(call), duration_text(cost_ns(e)),
                       e.blocked ? " of waiting" : "");
  }
  std::string operator()(const Signal& e) const {
    std::string text = fmt::format("{} code {}", signal_text(e.number), e.code);
    if (e.address.raw() != 0) text += fmt::format(" at {:#x}", e.address.raw());
    return text + ": " + std::string(name(e.action));
  }
  std::string operator()(const VmaChange& e) const {
    std::string text = printable(e.operation);
    if (e.start != e.end) text += fmt::format(" {:#x}-{:#x}", e.start.raw(), e.end.raw());
    text += fmt::format(": {} gone, {} there", e.removed.size(), e.added.size());
    constexpr std::size_t kShown = 3;
    for (std::size_t n = 0; n < e.added.size() && n < kShown; ++n)
      text += (n == 0 ? ": " : ", ") + vma_text(e.added[n]);
    return e.added.size() > kShown ? text + ", ..." : text;
  }
  std::string operator()(const TableEdits& e) const {
    std::string text =
        fmt::format("{} entr{} under root {:#x}", e.edits.size(), e.edits.size() == 1 ? "y" : "ies", e.root.raw());
    if (e.edits.empty()) return text;
    const mmu::PteEdit& first = e.edits.front();
    return text + fmt::format(": level {} of {:#x}: {} -> {}{}", first.level, first.address.raw(),
                              first.before.describe(first.level), first.after.describe(first.level),
                              e.edits.size() > 1 ? ", ..." : "");
  }
  std::string operator()(const ProcessChange& e) const {
    std::string text(name(e.event));
    if (e.event == ProcessEvent::kFork) text += fmt::format(" of {}", e.parent);
    if (e.event == ProcessEvent::kExit) return text + fmt::format(" with status {}", e.status);
    if (!e.program.empty()) text += " " + printable(e.program);
    return text + fmt::format(", root {:#x}", e.root.raw());
  }
  std::string operator()(const Switch& e) const { return fmt::format("from {}", e.from); }
  std::string operator()(const Counters& e) const {
    return fmt::format("rss {} pages, tables {}, free frames {}, minor {}, major {}", e.rss_pages, e.table_pages,
                       e.free_frames, e.minor, e.major);
  }
  std::string operator()(const End& e) const { return fmt::format("{}, status {}", printable(e.reason), e.status); }
};

Ink ink_of(const Event& event) {
  if (const auto* fault = std::get_if<Fault>(&event.body)) {
    if (fault->record.end == FaultEnd::kSignal || fault->record.end == FaultEnd::kEfault) return Ink::kRed;
    return fault->record.end == FaultEnd::kMajor ? Ink::kYellow : Ink::kGreen;
  }
  if (std::holds_alternative<Signal>(event.body)) return Ink::kRed;
  return std::holds_alternative<Syscall>(event.body) ? Ink::kCyan : Ink::kDim;
}

}  // namespace

std::string duration_text(std::uint64_t ns) {
  if (ns < 1'000) return fmt::format("{} ns", ns);
  if (ns < 1'000'000) return fmt::format("{:.1f} us", micros(ns));
  if (ns < 1'000'000'000) return fmt::format("{:.2f} ms", millis(ns));
  return fmt::format("{:.3f} s", seconds(ns));
}

std::string_view kind_name(const Body& body) {
  struct Kind {
    std::string_view operator()(const Exit&) const { return "exit"; }
    std::string_view operator()(const Fault&) const { return "fault"; }
    std::string_view operator()(const Syscall&) const { return "syscall"; }
    std::string_view operator()(const Signal&) const { return "signal"; }
    std::string_view operator()(const VmaChange&) const { return "vma"; }
    std::string_view operator()(const TableEdits&) const { return "edits"; }
    std::string_view operator()(const ProcessChange&) const { return "process"; }
    std::string_view operator()(const Switch&) const { return "switch"; }
    std::string_view operator()(const Counters&) const { return "counters"; }
    std::string_view operator()(const End&) const { return "end"; }
  };
  return std::visit(Kind{}, body);
}

std::string describe(const Event& event) { return std::visit(Describe{}, event.body); }

std::string raw_exit_name(std::uint32_t reason, bool hosted) {
  if (hosted) return signal_text(static_cast<int>(reason));
  const std::string_view known = kvm::exit_reason_name(reason);
  return known.empty() ? fmt::format("reason {}", reason) : std::string(known);
}

std::string syscall_text(std::uint64_t number) {
  if (number == kOtherSyscalls) return "(others)";
  const std::string_view known = linux_abi::syscall_name(number);
  return known.empty() ? fmt::format("syscall_{}", number) : std::string(known);
}

std::string signal_text(int signal) {
  const std::string_view known = signal_name(signal);
  if (!known.empty()) return std::string(known);
  const char* abbreviation = ::sigabbrev_np(signal);
  return abbreviation != nullptr ? fmt::format("SIG{}", abbreviation) : fmt::format("signal {}", signal);
}

void append_heading(fmt::memory_buffer& out, Colour colour) {
  Painter(out, colour).heading(fmt::format("{:>8} {:>13} {:>6} {:<8} {}", "event", "time ms", "pid", "kind", "what"));
}

void append_line(fmt::memory_buffer& out, const Event& event, Colour colour) {
  Painter p(out, colour);
  p.put("{:>8} ", event.number).ink(Ink::kDim, fmt::format("{:>13.6f}", millis(event.time_ns)));
  p.put(" {:>6} ", event.process).ink(ink_of(event), fmt::format("{:<8}", kind_name(event.body)));
  p.raw(" ").raw(describe(event)).end();
}

}  // namespace faultline::vmm::inspect

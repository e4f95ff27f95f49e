// The detail pane: everything that one event says.
#include <fmt/format.h>

#include <iterator>

#include "tools/tui/text.hpp"
#include "vmm/inspect/filter.hpp"
#include "vmm/linux_abi/syscall.hpp"
#include "vmm/record/format.hpp"
#include "vmm/record/printable.hpp"

namespace faultline::tui {

namespace {

using namespace vmm::recording;

constexpr Style kDim{.dim = true};
constexpr Style kBold{.bold = true};
constexpr Style kRed{Ink::kRed, true};
constexpr Style kGreen{Ink::kGreen};

class Lines {
 public:
  template <class... Args>
  void add(std::string_view label, fmt::format_string<Args...> format, Args&&... args) {
    lines_.push_back(
        {{fmt::format("  {:<10}", label), kDim}, {fmt::format(format, std::forward<Args>(args)...), Style{}}});
  }
  void add(Line line) { lines_.push_back(std::move(line)); }
  [[nodiscard]] std::vector<Line> take() { return std::move(lines_); }

 private:
  std::vector<Line> lines_;
};

void add_edit(Lines& out, const mmu::PteEdit& e, mmu::PagingMode mode) {
  out.add("edit", "{} of {:#x} at {:#x}: {} -> {}", mmu::linux_level_name(e.level, mode), e.address.raw(), e.slot.raw(),
          e.before.describe(e.level), e.after.describe(e.level));
}

void add_vma(Lines& out, std::string_view label, const vmm::VmaInfo& vma) {
  out.add(label, "{:#x}-{:#x} {} pgoff {:#x} {}", vma.start.raw(), vma.end.raw(), vma.flags.text(), vma.pgoff.raw(),
          vmm::inspect::vma_name(vma));
}

// The walk as a way down, from the top-level table to where it ended.
void add_walk(Lines& out, const vmm::FaultRecord& r) {
  const mmu::Walk& w = r.before;
  out.add("walk", "{}, {}", mmu::name(w.mode), vmm::name(w.end));
  for (unsigned n = 0; n < w.count; ++n) {
    const mmu::WalkStep& s = w.steps[n];
    const bool blamed = s.level == r.blame.level;
    Line line{
        {blamed ? "  => " : "     ", kRed},
        {fmt::format("{}[{}]", mmu::linux_level_name(s.level, w.mode), mmu::table_index(w.address, s.level)), kBold}};
    line.push_back({fmt::format(" {:#x}: ", s.slot.raw()), kDim});
    line.push_back({s.entry.describe(s.level), {}});
    if (s.entry.present())
      line.push_back({fmt::format(" -> r{}{} {}", s.rights.write ? 'w' : '-', s.rights.execute ? 'x' : '-',
                                  s.rights.user ? "user" : "supervisor"),
                      kGreen});
    out.add(std::move(line));
    if (blamed) out.add({{fmt::format("            {} denies the access", r.blame.bit), kRed}});
  }
  if (r.blame.level == 0 && w.mapped()) out.add("", "nothing in it denies the access");
}

// The record's own text, which other places print as well, but for the two parts that this pane
// shows in its own way: the walk, and the edits, of which the record keeps a few only.
void add_record(Lines& out, const Fault& fault) {
  const vmm::FaultRecord& r = fault.record;
  fmt::memory_buffer buffer;
  vmm::append_text(buffer, r);
  const std::string_view text(buffer.data(), buffer.size());
  constexpr std::size_t kLabel = 12;
  unsigned skip = 0;
  bool edits_done = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (skip != 0) {
      --skip;
    } else if (line.starts_with("  walk ")) {
      add_walk(out, r);
      skip = r.before.count;
    } else if (line.starts_with("  edit ")) {
      continue;
    } else if (line.starts_with("  ")) {
      if (!edits_done && (line.starts_with("  frames ") || line.starts_with("  tlb "))) {
        for (const mmu::PteEdit& e : fault.all_edits) add_edit(out, e, r.before.mode);
        edits_done = true;
      }
      const bool ended = line.starts_with("  outcome ");
      const Style style = !ended ? Style{} : r.end == vmm::FaultEnd::kSignal ? kRed : kGreen;
      out.add({{std::string(line.substr(0, kLabel)), kDim}, {std::string(line.substr(kLabel)), style}});
    } else {
      out.add({{std::string(line), kBold}});
    }
  }
}

void add(Lines& out, const Fault& fault, mmu::PagingMode) { add_record(out, fault); }

void add(Lines& out, const Exit& e, mmu::PagingMode) {
  out.add("reason", "{}", name(e.reason));
  switch (e.reason) {
    case ExitReason::kPageFault:
      out.add("address", "{:#x}  {} (error {:#x}: {})", e.qualification, mmu::ErrorCode(e.detail).spelled_out(),
              e.detail, mmu::ErrorCode(e.detail).bit_names());
      break;
    case ExitReason::kSyscall:
      out.add("number", "{} {}", e.qualification, vmm::linux_abi::syscall_name(e.qualification));
      break;
    case ExitReason::kException: out.add("vector", "{}, error code {:#x}", e.detail, e.qualification); break;
    case ExitReason::kInterrupted:
    case ExitReason::kFatal: break;
  }
  out.add("rip", "{:#x}, CPL {}", e.rip.raw(), e.cpl);
  out.add("guest", "{} to {} s, {} ns", seconds(e.entered_ns), seconds(e.left_ns),
          grouped(e.left_ns - std::min(e.left_ns, e.entered_ns)));
  out.add("raw", "reason {}, entered {} time{}", e.raw.reason, e.raw.entries, e.raw.entries == 1 ? "" : "s");
  if (e.raw.size != 0)
    out.add("", "{} {} byte{} at {} {:#x}, data {:#x}", e.raw.write ? "write" : "read", e.raw.size,
            e.raw.size == 1 ? "" : "s", e.raw.address == 0 ? "port" : "address",
            e.raw.address == 0 ? e.raw.port : e.raw.address, e.raw.data);
  if (!e.regs) return;
  constexpr std::string_view kNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  for (unsigned n = 0; n < 16; n += 2)
    out.add(n == 0 ? "registers" : "", "{:<3} {:#018x}  {:<3} {:#018x}", kNames[n], (*e.regs)[n], kNames[n + 1],
            (*e.regs)[n + 1]);
  out.add("", "rflags {:#x}", e.regs->rflags);
}

void add(Lines& out, const Syscall& s, mmu::PagingMode) {
  out.add("call", "{} {}", s.number, vmm::linux_abi::syscall_name(s.number));
  for (std::size_t n = 0; n < s.arguments.size(); ++n) out.add(n == 0 ? "arguments" : "", "{:#x}", s.arguments[n]);
  out.add("result", "{} ({:#x}){}", s.result, static_cast<std::uint64_t>(s.result), s.blocked ? ", it waited" : "");
  out.add("time", "{} to {} s, {} ns", seconds(s.started_ns), seconds(s.ended_ns),
          grouped(s.ended_ns - std::min(s.ended_ns, s.started_ns)));
}

void add(Lines& out, const Signal& s, mmu::PagingMode) {
  out.add("signal", "{} {}", s.number, vmm::signal_name(s.number));
  out.add("code", "{} {}", s.code, vmm::si_code_name(s.number, s.code));
  out.add("address", "{:#x}", s.address.raw());
  out.add("action", "{}", name(s.action));
}

void add(Lines& out, const VmaChange& c, mmu::PagingMode) {
  out.add("operation", "{}", vmm::printable(c.operation));
  if (c.start < c.end) out.add("range", "{:#x}-{:#x}", c.start.raw(), c.end.raw());
  for (const Gva start : c.removed) out.add("gone", "{:#x}", start.raw());
  for (const vmm::VmaInfo& vma : c.added) add_vma(out, "new", vma);
}

void add(Lines& out, const TableEdits& e, mmu::PagingMode mode) {
  out.add("root", "{:#x}", e.root.raw());
  for (const mmu::PteEdit& edit : e.edits) add_edit(out, edit, mode);
}

void add(Lines& out, const ProcessChange& c, mmu::PagingMode) {
  out.add("event", "{}", name(c.event));
  if (!c.program.empty()) out.add("program", "{}", vmm::printable(c.program));
  if (c.event == ProcessEvent::kFork) out.add("parent", "{}", c.parent);
  if (c.event == ProcessEvent::kExit) out.add("status", "{}", c.status);
  if (c.event != ProcessEvent::kExit) out.add("root", "{:#x}", c.root.raw());
}

void add(Lines& out, const Switch& s, mmu::PagingMode) { out.add("from", "process {}", s.from); }

void add(Lines& out, const Counters& c, mmu::PagingMode) {
  out.add("RSS", "{} pages, {} KiB", grouped(c.rss_pages), grouped(c.rss_pages * (kPageSize / 1024)));
  out.add("tables", "{} pages", grouped(c.table_pages));
  out.add("faults", "{} minor, {} major", grouped(c.minor), grouped(c.major));
  out.add("free", "{} frames of the machine", grouped(c.free_frames));
}

void add(Lines& out, const End& e, mmu::PagingMode) {
  out.add("reason", "{}", vmm::printable(e.reason));
  out.add("status", "{}", e.status);
}

}  // namespace

std::vector<Line> detail(const Event& event, mmu::PagingMode mode) {
  Lines out;
  out.add({{fmt::format("event {} ({}) at {} s, process {}", event.number, kind(event), seconds(event.time_ns),
                        event.process),
            kBold}});
  std::visit([&](const auto& body) { add(out, body, mode); }, event.body);
  return out.take();
}

}  // namespace faultline::tui

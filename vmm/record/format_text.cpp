// A fault record for people.
#include "vmm/record/format.hpp"
#include "vmm/record/painter.hpp"
#include "vmm/record/printable.hpp"

namespace faultline::vmm {

namespace {

class Text : public Painter {
 public:
  using Painter::Painter;
  // "  address   " and so on, indented: every line after the first begins with one.
  Painter& label(std::string_view name) {
    raw("  ").ink(Ink::kDim, name);
    for (std::size_t n = name.size(); n < 10; ++n) raw(" ");
    return *this;
  }
};

void put_bytes(Text& t, const decode::Instruction& i) {
  t.raw("  [");
  bool first = true;
  for (const std::uint8_t b : i.code()) {
    t.put("{}{:02x}", first ? "" : " ", b);
    first = false;
  }
  t.raw("]").end();
}

void put_instruction(Text& t, const FaultRecord& r) {
  const decode::Instruction& i = r.instruction;
  t.label("at").put("{:#x}  ", r.ip.raw());
  if (r.origin != mmu::FaultOrigin::kUser) {
    t.put("in a system call ({})", name(r.origin)).end();
    return;
  }
  if (i.status == decode::DecodeStatus::kDecoded) {
    t.raw(i.text.view());
  } else {
    t.put("instruction {}", name(i.status));
  }
  put_bytes(t, i);
  for (const decode::Disagreement& d : i.disagreements())
    t.label("")
        .put("decoders differ: {} (Zydis {}, Capstone {})", name(d.field), d.zydis.view(), d.capstone.view())
        .end();
}

// "[rax + rcx*4 + 0x10]"
void put_expression(Text& t, const decode::MemOperand& o) {
  if (o.segment == "fs" || o.segment == "gs") t.put("{}:", o.segment);
  t.put("[{}", o.base);
  if (!o.index.empty()) t.put("{}{}*{}", o.base.empty() ? "" : " + ", o.index, o.scale);
  const bool bare = o.base.empty() && o.index.empty();
  if (o.displacement != 0 || bare) {
    const auto magnitude = static_cast<std::uint64_t>(o.displacement);
    if (o.displacement < 0 && !bare) {
      t.put(" - {:#x}", ~magnitude + 1);
    } else {
      t.put("{}{:#x}", bare ? "" : " + ", magnitude);
    }
  }
  t.raw("]");
}

void put_verdict(Text& t, const FaultRecord& r) {
  const decode::Verdict& v = r.verdict;
  const auto operands = r.instruction.operands();
  if (operands.empty()) return;
  t.label("operand");
  if (v.operand >= 0 && static_cast<std::size_t>(v.operand) < operands.size()) {
    const decode::MemOperand& o = operands[static_cast<std::size_t>(v.operand)];
    t.put("{} ", name(o.role));
    if (o.role != decode::OperandRole::kFetch) {
      t.put("{} ", name(o.access));
      put_expression(t, o);
      t.raw(" ");
    }
    t.put("{} byte{}", o.width, o.width == 1 ? "" : "s");
    if (o.address_known) t.put(" at {:#x}", o.address.raw());
    t.put(", CR2 {}", name(v.place));
    if (v.offset != 0) t.put(" {:+}", v.offset);
    if (v.straddles) t.put(", straddles pages{}", v.on_second_page ? " (fault past the first)" : "");
    t.raw(", error code ");
    const bool bad = v.access == decode::Agreement::kDisagrees;
    t.ink(bad ? Ink::kRed : Ink::kGreen, name(v.access));
  } else {
    t.ink(Ink::kYellow, name(v.explanation));
  }
  if (!v.note.empty()) t.put(" ({})", v.note);
  t.end();
}

void put_walk(Text& t, const FaultRecord& r) {
  const mmu::Walk& w = r.before;
  t.label("walk").put("{}, {}", name(w.mode), name(w.end));
  if (r.blame.level != 0) {
    t.raw("; denied by ");
    t.ink(Ink::kRed, mmu::linux_level_name(r.blame.level, w.mode)).raw(" ").ink(Ink::kRed, r.blame.bit);
  } else if (w.mapped()) {
    t.raw("; nothing in it denies the access");
  }
  t.end();
  for (unsigned n = 0; n < w.count; ++n) {
    const mmu::WalkStep& s = w.steps[n];
    t.label("").put("{} {:#x}: {}", mmu::linux_level_name(s.level, w.mode), s.slot.raw(), s.entry.describe(s.level));
    if (s.entry.present())
      t.put(" -> r{}{} {}", s.rights.write ? 'w' : '-', s.rights.execute ? 'x' : '-',
            s.rights.user ? "user" : "supervisor");
    t.end();
  }
}

void put_vma(Text& t, const FaultRecord& r) {
  t.label("vma");
  if (!r.vma) {
    t.raw("none").end();
    return;
  }
  t.put("{:#x}-{:#x} {} pgoff {:#x} ", r.vma->start.raw(), r.vma->end.raw(), r.vma->flags.text(), r.vma->pgoff.raw());
  t.raw(r.vma->name.empty() ? "(anonymous)" : printable(r.vma->name.view())).end();
}

void put_path(Text& t, const FaultRecord& r) {
  t.label("path");
  const char* separator = "";
  for (const mmu::FaultStep s : r.path.steps()) {
    t.put("{}{}", separator, mmu::name(s));
    separator = " > ";
  }
  t.end();
}

void put_frames(Text& t, const mmu::EditLog& log) {
  if (log.total_allocated() == 0 && log.copied_to().empty()) return;
  t.label("frames");
  const char* separator = "";
  for (const Gfn f : log.allocated()) {
    t.put("{}{:#x}", *separator == '\0' ? "allocated " : separator, f.raw());
    separator = ", ";
  }
  if (log.total_allocated() > log.allocated().size())
    t.put(" and {} more", log.total_allocated() - log.allocated().size());
  for (std::size_t n = 0; n < log.copied_to().size(); ++n) {
    t.put("{}copied {:#x} to {:#x}", separator, log.copied_from()[n].raw(), log.copied_to()[n].raw());
    separator = ", ";
  }
  t.end();
}

void put_edits(Text& t, const FaultRecord& r) {
  for (const mmu::PteEdit& e : r.edits.edits()) {
    t.label("edit").put("{} of {:#x} at {:#x}: {} -> {}", mmu::linux_level_name(e.level, r.before.mode),
                        e.address.raw(), e.slot.raw(), e.before.describe(e.level), e.after.describe(e.level));
    t.end();
  }
  const std::size_t kept = r.edits.edits().size();
  if (r.edits.total_edits() > kept) t.label("edit").put("and {} more", r.edits.total_edits() - kept).end();
  put_frames(t, r.edits);
  t.label("tlb").raw(name(r.tlb)).end();
}

void put_outcome(Text& t, const FaultRecord& r) {
  t.label("outcome");
  switch (r.end) {
    case FaultEnd::kMinor: t.ink(Ink::kGreen, "resolved, minor"); break;
    case FaultEnd::kMajor: t.ink(Ink::kYellow, "resolved, major"); break;
    case FaultEnd::kEfault: t.ink(Ink::kYellow, "-EFAULT to the system call"); break;
    case FaultEnd::kSignal:
      t.ink(Ink::kRed, signal_name(r.signal)).put(" ({})", r.signal);
      if (const auto code = si_code_name(r.signal, r.si_code); !code.empty())
        t.put(" {} at {:#x}", code, r.signal_address.raw());
      break;
  }
  t.end();
}

double micros(std::uint64_t ns) { return static_cast<double>(ns) / 1000.0; }

}  // namespace

void append_text(fmt::memory_buffer& out, const FaultRecord& r, Colour colour) {
  Text t(out, colour);
  t.ink(Ink::kBold, "fault")
      .put(" #{} on {} vcpu {}, process {}", r.sequence, r.backend.view(), r.vcpu, r.process)
      .end();
  t.label("address").put("{:#x}  {} (error {:#x}: {})", r.address.raw(), r.error.spelled_out(), r.error.raw(),
                         r.error.bit_names());
  t.end();
  put_instruction(t, r);
  put_verdict(t, r);
  put_walk(t, r);
  put_vma(t, r);
  put_path(t, r);
  put_edits(t, r);
  put_outcome(t, r);
  t.label("time").put("guest {:.1f} us, exit {:.1f}, decide {:.1f}, edit {:.1f}, resume {:.1f}", micros(r.times.guest),
                      micros(r.times.exit), micros(r.times.decide), micros(r.times.edit), micros(r.times.resume));
  t.end();
}

}  // namespace faultline::vmm

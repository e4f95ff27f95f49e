// A fault record as one line of JSON. docs/fault-record.md explains the fields.
#include "vmm/record/format.hpp"
#include "vmm/record/json_writer.hpp"

namespace faultline::vmm {

namespace {

void write_operand(JsonWriter& w, const decode::MemOperand& o) {
  w.begin_object();
  w.key("role").string(name(o.role));
  w.key("access").string(name(o.access));
  w.key("conditional").boolean(o.conditional);
  w.key("width").number(o.width);
  if (o.address_known) {
    w.key("address").hex(o.address.raw());
    w.key("extent_start").hex(o.extent_start.raw());
    w.key("extent_bytes").number(o.extent_bytes);
  } else {
    w.key("address").null();
    w.key("extent_start").null();
    w.key("extent_bytes").null();
  }
  w.key("segment").string(o.segment);
  w.key("base").string(o.base);
  w.key("index").string(o.index);
  w.key("scale").number(unsigned{o.scale});
  w.key("displacement").number(o.displacement);
  w.end_object();
}

void write_disagreement(JsonWriter& w, const decode::Disagreement& d) {
  w.begin_object();
  w.key("field").string(name(d.field));
  w.key("operand").number(unsigned{d.operand});
  w.key("zydis").string(d.zydis.view());
  w.key("capstone").string(d.capstone.view());
  w.end_object();
}

void write_instruction(JsonWriter& w, const decode::Instruction& i) {
  w.begin_object();
  w.key("status").string(name(i.status));
  w.key("bytes").bytes(i.code());
  w.key("length").number(unsigned{i.length});
  w.key("text").string(i.text.view());
  w.key("locked").boolean(i.locked);
  w.key("repeated").boolean(i.repeated);
  w.key("operands").begin_array();
  for (const decode::MemOperand& o : i.operands()) write_operand(w, o);
  w.end_array();
  w.key("elements").begin_array();
  for (const Gva e : i.elements()) w.hex(e.raw());
  w.end_array();
  w.key("cross_checked").boolean(i.cross_checked);
  w.key("disagreements").begin_array();
  for (const decode::Disagreement& d : i.disagreements()) write_disagreement(w, d);
  w.end_array();
  w.key("disagreements_total").number(unsigned{i.disagreement_total});
  w.end_object();
}

void write_verdict(JsonWriter& w, const decode::Verdict& v) {
  w.begin_object();
  w.key("explanation").string(name(v.explanation));
  w.key("operand");
  v.operand < 0 ? w.null() : w.number(v.operand);
  w.key("cr2").string(name(v.place));
  w.key("offset").number(v.offset);
  w.key("straddles").boolean(v.straddles);
  w.key("on_second_page").boolean(v.on_second_page);
  w.key("access").string(name(v.access));
  w.key("note").string(v.note);
  w.end_object();
}

void write_level(JsonWriter& w, mmu::Level level) { w.key("level").number(level); }

void write_walk(JsonWriter& w, const mmu::Walk& walk, const mmu::Blame& blame) {
  w.begin_object();
  w.key("mode").string(name(walk.mode));
  w.key("end").string(name(walk.end));
  w.key("levels").begin_array();
  for (unsigned n = 0; n < walk.count; ++n) {
    const mmu::WalkStep& s = walk.steps[n];
    w.begin_object();
    write_level(w, s.level);
    w.key("name").string(mmu::linux_level_name(s.level, walk.mode));
    w.key("slot").hex(s.slot.raw());
    w.key("entry").hex(s.entry.raw());
    w.key("flags").string(s.entry.flag_names(s.level));
    w.key("write").boolean(s.rights.write);
    w.key("user").boolean(s.rights.user);
    w.key("execute").boolean(s.rights.execute);
    w.end_object();
  }
  w.end_array();
  w.key("blame");
  if (blame.level == 0) {
    w.null();
  } else {
    w.begin_object();
    write_level(w, blame.level);
    w.key("name").string(mmu::linux_level_name(blame.level, walk.mode));
    w.key("bit").string(blame.bit);
    w.end_object();
  }
  w.end_object();
}

void write_vma(JsonWriter& w, const std::optional<VmaInfo>& vma) {
  if (!vma) return w.null();
  w.begin_object();
  w.key("start").hex(vma->start.raw());
  w.key("end").hex(vma->end.raw());
  w.key("flags").string(vma->flags.text());
  w.key("pgoff").hex(vma->pgoff.raw());
  w.key("name").string(vma->name.view());
  w.end_object();
}

void write_edits(JsonWriter& w, const mmu::EditLog& edits) {
  w.key("edits").begin_array();
  for (const mmu::PteEdit& e : edits.edits()) {
    w.begin_object();
    w.key("address").hex(e.address.raw());
    write_level(w, e.level);
    w.key("slot").hex(e.slot.raw());
    w.key("before").hex(e.before.raw());
    w.key("after").hex(e.after.raw());
    w.end_object();
  }
  w.end_array();
  w.key("edits_total").number(edits.total_edits());
  w.key("frames_allocated").begin_array();
  for (const Gfn f : edits.allocated()) w.hex(f.raw());
  w.end_array();
  w.key("frames_allocated_total").number(edits.total_allocated());
  w.key("frames_copied").begin_array();
  for (std::size_t n = 0; n < edits.copied_to().size(); ++n) {
    w.begin_object();
    w.key("from").hex(edits.copied_from()[n].raw());
    w.key("to").hex(edits.copied_to()[n].raw());
    w.end_object();
  }
  w.end_array();
}

void write_outcome(JsonWriter& w, const FaultRecord& r) {
  w.begin_object();
  w.key("end").string(name(r.end));
  w.key("signal");
  if (r.signal == 0) {
    w.null();
  } else {
    w.begin_object();
    w.key("number").number(r.signal);
    w.key("name").string(signal_name(r.signal));
    w.key("si_code").number(r.si_code);
    w.key("si_code_name").string(si_code_name(r.signal, r.si_code));
    w.key("si_addr").hex(r.signal_address.raw());
    w.end_object();
  }
  w.end_object();
}

void write_times(JsonWriter& w, const FaultTimes& t) {
  w.begin_object();
  w.key("guest").number(t.guest);
  w.key("exit").number(t.exit);
  w.key("decide").number(t.decide);
  w.key("edit").number(t.edit);
  w.key("resume").number(t.resume);
  w.end_object();
}

}  // namespace

void append_json(fmt::memory_buffer& out, const FaultRecord& r) {
  JsonWriter w(out);
  w.begin_object();
  w.key("version").number(kFaultRecordVersion);
  w.key("sequence").number(r.sequence);
  w.key("backend").string(r.backend.view());
  w.key("vcpu").number(r.vcpu);
  w.key("process").number(r.process);
  w.key("origin").string(name(r.origin));
  w.key("ip").hex(r.ip.raw());
  w.key("address").hex(r.address.raw());
  w.key("error").begin_object();
  w.key("code").hex(r.error.raw());
  w.key("bits").string(r.error.bit_names());
  w.key("text").string(r.error.spelled_out());
  w.end_object();
  w.key("instruction");
  write_instruction(w, r.instruction);
  w.key("verdict");
  write_verdict(w, r.verdict);
  w.key("walk");
  write_walk(w, r.before, r.blame);
  w.key("vma");
  write_vma(w, r.vma);
  w.key("path").begin_array();
  for (const mmu::FaultStep s : r.path.steps()) w.string(mmu::name(s));
  w.end_array();
  write_edits(w, r.edits);
  w.key("tlb").string(name(r.tlb));
  w.key("outcome");
  write_outcome(w, r);
  w.key("times_ns");
  write_times(w, r.times);
  w.end_object();
  out.push_back('\n');
}

}  // namespace faultline::vmm

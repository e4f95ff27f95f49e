// What the page has of one fault.
#include <fmt/format.h>

#include "vmm/report_html/page_data.hpp"

namespace faultline::vmm::report_html {

namespace {

enum Flag : std::uint32_t { kDisagrees = 1, kStraddles = 2, kSecondPage = 4 };

std::string instruction_text(const FaultRecord& r) {
  if (r.origin != mmu::FaultOrigin::kUser) return fmt::format("in a system call ({})", name(r.origin));
  if (r.instruction.status == decode::DecodeStatus::kDecoded) return std::string(r.instruction.text.view());
  return fmt::format("instruction {}", name(r.instruction.status));
}

std::string hex_bytes(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t b : bytes) fmt::format_to(std::back_inserter(text), "{}{:02x}", text.empty() ? "" : " ", b);
  return text;
}

// The operand that made the fault, or why none is named. Addresses stay out of it: there are few
// such texts, and many addresses.
std::string operand_text(const FaultRecord& r) {
  const auto operands = r.instruction.operands();
  if (operands.empty()) return {};
  const int index = r.verdict.operand;
  if (index < 0 || static_cast<std::size_t>(index) >= operands.size()) return std::string(name(r.verdict.explanation));
  const decode::MemOperand& o = operands[static_cast<std::size_t>(index)];
  const std::string_view plural = o.width == 1 ? "" : "s";
  if (o.role == decode::OperandRole::kFetch) return fmt::format("{}, {} byte{}", name(o.role), o.width, plural);
  return fmt::format("{} {}, {} byte{}", name(o.role), name(o.access), o.width, plural);
}

std::string verdict_text(const FaultRecord& r) {
  if (r.instruction.operands().empty()) return {};
  std::string text = r.verdict.operand < 0 ? "" : fmt::format("CR2 {}, ", name(r.verdict.place));
  text += fmt::format("error code {}", name(r.verdict.access));
  if (!r.verdict.note.empty()) text += fmt::format(" ({})", r.verdict.note);
  return text;
}

std::string difference_text(const decode::Instruction& i) {
  std::string text;
  for (const decode::Disagreement& d : i.disagreements())
    fmt::format_to(std::back_inserter(text), "{}{}: Zydis {}, Capstone {}", text.empty() ? "" : "; ", name(d.field),
                   d.zydis.view(), d.capstone.view());
  return text;
}

}  // namespace

void PageData::take(const recording::Event& event, const recording::Fault& fault) {
  if (faults_.sequence.rows() >= limits_.faults) {
    ++left_out_.faults;
    return;
  }
  const FaultRecord& r = fault.record;
  const std::uint32_t space = space_of(r, event.number);
  faults_.event.add(event.number);
  faults_.time.add(event.time_ns);
  faults_.sequence.add(clamp32(r.sequence));
  faults_.process.add(r.process);
  faults_.space.add(space);
  faults_.ip.add(r.ip.raw());
  faults_.address.add(r.address.raw());
  faults_.error.add(r.error.raw());
  faults_.error_text.add(texts_.id(r.error.spelled_out()));
  faults_.vma.add(r.vma ? vma_id(*r.vma) + 1 : 0);
  faults_.path.add(path_id(r.path));
  add_instruction(r);
  add_walk(r);
  add_outcome(r);
  add_frames(r.edits);

  // The record has the first few; the event has all, where that makes a difference.
  const std::span<const mmu::PteEdit> all =
      fault.all_edits.size() >= r.edits.edits().size() ? std::span(fault.all_edits) : r.edits.edits();
  faults_.first_edit.add(static_cast<std::uint32_t>(edits_.level.rows()));
  const std::uint32_t added = add_edits(event.number, space, all);
  faults_.edits.add(added);
  const std::size_t total = std::max<std::size_t>(r.edits.total_edits(), all.size());
  faults_.edits_left_out.add(static_cast<std::uint32_t>(total - added));
}

void PageData::add_instruction(const FaultRecord& r) {
  faults_.origin.add(texts_.id(name(r.origin)));
  faults_.instruction.add(texts_.id(instruction_text(r)));
  faults_.bytes.add(texts_.id(hex_bytes(r.instruction.code())));
  faults_.operand.add(texts_.id(operand_text(r)));
  faults_.verdict.add(texts_.id(verdict_text(r)));
  faults_.differ.add(texts_.id(difference_text(r.instruction)));
  faults_.offset.add(static_cast<std::uint64_t>(r.verdict.offset));
  std::uint32_t flags = r.verdict.access == decode::Agreement::kDisagrees ? kDisagrees : 0U;
  if (r.verdict.straddles) flags |= kStraddles;
  if (r.verdict.on_second_page) flags |= kSecondPage;
  faults_.flags.add(flags);
}

void PageData::add_walk(const FaultRecord& r) {
  faults_.walk_end.add(texts_.id(name(r.before.end)));
  faults_.walk_count.add(r.before.count);
  faults_.blame_level.add(r.blame.level);
  faults_.blame_bit.add(texts_.id(r.blame.bit));
  for (unsigned n = 0; n < mmu::kMaxLevel; ++n) {
    // A level that was not reached repeats the last that was: that costs nothing once packed.
    const unsigned from = r.before.count == 0 ? 0 : std::min(n, r.before.count - 1);
    faults_.slot[n].add(r.before.steps[from].slot.raw());
    faults_.entry[n].add(r.before.steps[from].entry.raw());
  }
}

void PageData::add_outcome(const FaultRecord& r) {
  faults_.tlb.add(texts_.id(name(r.tlb)));
  faults_.end.add(texts_.id(name(r.end)));
  faults_.signal.add(
      texts_.id(r.signal == 0 ? std::string() : fmt::format("{} ({})", signal_name(r.signal), r.signal)));
  faults_.signal_code.add(texts_.id(si_code_name(r.signal, r.si_code)));
  faults_.signal_address.add(r.signal_address.raw());
  faults_.guest.add(clamp32(r.times.guest));
  faults_.exit.add(clamp32(r.times.exit));
  faults_.decide.add(clamp32(r.times.decide));
  faults_.edit.add(clamp32(r.times.edit));
  faults_.resume.add(clamp32(r.times.resume));
}

void PageData::add_frames(const mmu::EditLog& log) {
  faults_.allocated.add(static_cast<std::uint32_t>(log.allocated().size()));
  faults_.copied.add(static_cast<std::uint32_t>(log.copied_to().size()));
  for (const Gfn frame : log.allocated()) faults_.frames.add(frame.raw());
  for (std::size_t n = 0; n < log.copied_to().size(); ++n) {
    faults_.frames.add(log.copied_from()[n].raw());
    faults_.frames.add(log.copied_to()[n].raw());
  }
}

std::uint32_t PageData::path_id(const mmu::FaultPath& path) {
  const auto steps = path.steps();
  const auto [at, added] =
      path_ids_.try_emplace(std::vector(steps.begin(), steps.end()), static_cast<std::uint32_t>(paths_.size()));
  if (added) {
    std::vector<std::string_view> names;
    for (const mmu::FaultStep step : steps) names.push_back(mmu::name(step));
    paths_.push_back(std::move(names));
  }
  return at->second;
}

}  // namespace faultline::vmm::report_html

// How a fault stands in a frame; see fields.hpp. Internal to the codec.
#pragma once

#include "mmu/pgtable/walk_with.hpp"
#include "vmm/recording/fields.hpp"

namespace faultline::vmm::recording {

// Head: bits 2:0 the number of entries; 5:3 how many of them are those of the last walk; 6: the
// last one is zero; 7: the root follows. Slots and rights follow from the entries.
template <class Io, class TheWalk>
void walk(Io& io, TheWalk& w, Gva va, Context& c) {
  unsigned count = w.count, same = 0;
  std::uint64_t root = w.count != 0 ? w.steps[0].slot.page().raw() : c.root;
  std::array<std::uint64_t, mmu::kMaxLevel> entries{};
  std::uint8_t head = 0;
  if constexpr (Io::kWrites) {
    for (unsigned i = 0; i < count; ++i) entries[i] = w.steps[i].entry.raw();
    while (root == c.root && same < count && same < c.walk_count && entries[same] == c.walk[same]) ++same;
    const bool zero = same < count && entries[count - 1] == 0;
    head = static_cast<std::uint8_t>(count | same << 3 | (zero ? 64 : 0) | (root != c.root ? 128 : 0));
  }
  io.byte(head);
  count = head & 7, same = head >> 3 & 7;
  io.require(count <= mmu::levels(c.mode) && same <= count && same <= c.walk_count);
  if (!io.good()) return;
  if ((head & 128) != 0) io.difference(root, c.root);
  io.require(root <= mmu::Pte::kAddressMask >> kPageShift);
  c.root = root;
  for (unsigned i = 0; i < count; ++i) {
    if (i < same)
      entries[i] = c.walk[i];
    else if (i + 1 == count && (head & 64) != 0)
      entries[i] = 0;
    else
      entry(io, entries[i], c);
  }
  c.walk = entries;
  c.walk_count = count;
  if constexpr (!Io::kWrites) {
    unsigned next = 0;
    const auto load = [&](Gpa) { return next < count ? std::optional(mmu::Pte(entries[next++])) : std::nullopt; };
    w = mmu::walk_with(load, Gfn(io.good() ? root : 0), c.mode, va, {});
  }
}

// What a fault's outcome is made of: few combinations, so all of it together is interned.
template <class Io, class Record>
void outcome(Io& io, Record& r, std::span<const mmu::FaultStep> step_of) {
  io.interned([&](auto& part) {
    std::uint32_t error = r.error.raw();
    part.small(error);
    assign(r.error, error);
    enumeration(part, r.origin, 3);
    plain(part, r.vcpu);
    enumeration(part, r.tlb, 4);
    enumeration(part, r.end, 4);
    signed_small(part, r.signal);
    signed_small(part, r.si_code);
    std::size_t steps = r.path.steps().size();
    part.count(steps, 64);
    for (std::size_t i = 0; i < steps && part.good(); ++i) {
      std::uint8_t step = 0;
      if constexpr (Io::kWrites) step = static_cast<std::uint8_t>(r.path.steps()[i]);
      part.byte(step);
      part.require(Io::kWrites || step < step_of.size());
      if constexpr (!Io::kWrites)
        if (part.good()) r.path.add(step_of[step]);
    }
  });
}

// A list of frames of which the first few are known: their total, then those.
template <class Io>
void frames(Io& io, std::uint64_t& total, std::vector<Gfn>& list, Context& c) {
  io.number(total);
  std::size_t n = list.size();
  io.count(n, 64);
  io.require(n <= total && total <= UINT32_MAX);
  list.resize(io.good() ? n : 0);
  for (Gfn& f : list) follow_address(io, f, c.frame);
}

// The log that the live record keeps: its edits are all those of the fault, or stand here.
template <class Io, class Log, class AllEdits>
void edit_log(Io& io, Log& log, const AllEdits& all, Context& c) {
  std::uint64_t total = log.total_edits(), allocated_total = log.total_allocated();
  std::uint8_t own = total != all.size() ? 1 : 0;
  std::uint64_t copied_total = log.copied_to().size();
  std::vector<mmu::PteEdit> listed(log.edits().begin(), log.edits().end());
  std::vector<Gfn> allocated(log.allocated().begin(), log.allocated().end());
  std::vector<Gfn> from(log.copied_from().begin(), log.copied_from().end());
  std::vector<Gfn> to(log.copied_to().begin(), log.copied_to().end());
  io.byte(own);
  if (own != 0) {
    io.number(total);
    edits(io, listed, c);
  }
  frames(io, allocated_total, allocated, c);
  frames(io, copied_total, from, c);
  if (copied_total != 0) frames(io, copied_total, to, c);
  if constexpr (!Io::kWrites) {
    io.require(total <= UINT32_MAX && from.size() == to.size());
    if (!io.good()) return;
    for (const mmu::PteEdit& e : listed) log.add(e);
    if (own == 0)
      for (const mmu::PteEdit& e : all) log.add(e);
    for (const Gfn f : allocated) log.add_allocated(f);
    for (std::size_t i = 0; i < from.size(); ++i) log.add_copied(from[i], to[i]);
    log.restore_totals(static_cast<unsigned>(own != 0 ? total : all.size()), static_cast<unsigned>(allocated_total));
  }
}

template <class Io, class Optional>
void optional_number(Io& io, Optional& value) {
  std::uint64_t raw = value.value_or(0);
  io.number(raw);
  assign(value, raw);
}
template <class Io, class Optional>
void vectors(Io& io, Optional& value) {
  decode::VectorRegisters registers = value.value_or(decode::VectorRegisters{});
  for (auto& ymm : registers.ymm) io.raw(ymm);
  assign(value, registers);
}

// What the decoder needs. Flags: 1 FS base, 2 GS base, 4 vector registers, 8 another XSAVE size.
template <class Io, class Input>
void input(Io& io, Input& in, Context& c) {
  registers(io, in.regs, c);
  std::uint8_t flags = 0;
  if constexpr (Io::kWrites)
    flags = static_cast<std::uint8_t>((in.fs_base ? 1 : 0) | (in.gs_base ? 2 : 0) | (in.vectors ? 4 : 0) |
                                      (in.xsave_bytes != c.xsave_bytes ? 8 : 0));
  io.byte(flags);
  io.require(flags < 16);
  if constexpr (Io::kWrites) c.xsave_bytes = in.xsave_bytes;
  if ((flags & 8) != 0) io.number(c.xsave_bytes);
  io.interned([&in](auto& part) {
    std::size_t n = in.count;
    part.count(n, decode::kMaxInstructionBytes);
    std::array<std::byte, decode::kMaxInstructionBytes> bytes = in.bytes;
    part.raw(std::span(bytes).first(n));
    assign(in.count, static_cast<std::uint8_t>(n));
    assign(in.bytes, bytes);
  });
  if ((flags & 1) != 0) optional_number(io, in.fs_base);
  if ((flags & 2) != 0) optional_number(io, in.gs_base);
  if ((flags & 4) != 0) vectors(io, in.vectors);
  assign(in.xsave_bytes, c.xsave_bytes);
}

}  // namespace faultline::vmm::recording

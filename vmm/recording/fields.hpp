// How the parts that several events share stand in a frame. Each function is one description for
// both directions: `io` is an Out and the values are const, or an In and they are filled in.
// docs/recording.md is the reference. Internal to the codec.
#pragma once

#include <array>
#include <type_traits>

#include "mmu/pgtable/edit_log.hpp"
#include "mmu/pgtable/walk.hpp"
#include "vmm/recording/event.hpp"
#include "vmm/recording/wire.hpp"

namespace faultline::vmm::recording {

// Limits of what one event holds, so that a hostile one costs little. The recorder splits what
// is longer.
inline constexpr std::size_t kMaxEditsInEvent = 4096, kMaxVmasInEvent = 1024;
inline constexpr std::size_t kMaxVmaName = 96;  // what VmaInfo keeps

// What later values of a frame are differences to. Zero at its beginning.
struct Context {
  mmu::PagingMode mode = mmu::PagingMode::kFourLevel;
  std::uint64_t time = 0;
  std::uint32_t process = 0;
  std::uint64_t rip = 0, address = 0, guest_ns = 0, sequence = 0;
  std::array<std::uint64_t, 5> qualification{};  // by exit reason
  UserRegs regs{.rflags = 0};
  std::array<std::uint64_t, 6> arguments{};
  std::uint64_t frame = 0;                           // the last that an entry pointed to
  std::uint64_t root = 0;                            // of the last walk
  std::array<std::uint64_t, mmu::kMaxLevel> walk{};  // its entries
  unsigned walk_count = 0;
  std::array<std::uint64_t, mmu::kMaxLevel + 1> edit_address{}, edit_table{};  // by level
  std::uint64_t xsave_bytes = 0;
  Counters counters = {};
};

// `read` gets what was read; a writer's values stay as they are.
template <class T, class Read>
void assign(T& value, const Read& read) {
  if constexpr (!std::is_const_v<T>) value = T(read);
}

// A strong type (Gva, Gpa, Gfn, Pgoff) as the difference to `reference`.
template <class Io, class Address>
void address(Io& io, Address& value, std::uint64_t reference) {
  std::uint64_t raw = value.raw();
  io.difference(raw, reference);
  assign(value, raw);
}

// The same, where `last` is the value before it.
template <class Io>
void follow(Io& io, std::uint64_t& value, std::uint64_t& last) {
  io.difference(value, last);
  last = value;
}
template <class Io, class Address>
void follow_address(Io& io, Address& value, std::uint64_t& last) {
  std::uint64_t raw = value.raw();
  follow(io, raw, last);
  assign(value, raw);
}

// An enumeration of `n` values.
template <class Io, class Enum>
void enumeration(Io& io, Enum& value, unsigned n) {
  auto raw = static_cast<std::uint8_t>(value);
  io.byte(raw);
  io.require(raw < n);
  if (io.good()) assign(value, static_cast<std::remove_const_t<Enum>>(raw));
}

template <class Io, class Number>
void plain(Io& io, Number& value) {
  std::remove_const_t<Number> copy = value;
  io.small(copy);
  assign(value, copy);
}
template <class Io>
void signed_number(Io& io, std::int64_t& value) {
  auto raw = static_cast<std::uint64_t>(value);
  io.difference(raw, 0);
  value = static_cast<std::int64_t>(raw);
}
template <class Io, class Int>
void signed_small(Io& io, Int& value) {
  std::int64_t wide = value;
  signed_number(io, wide);
  io.require(wide == static_cast<std::remove_const_t<Int>>(wide));
  assign(value, static_cast<std::remove_const_t<Int>>(wide));
}

// Flags first: bits 11:0, then NX below them and 62:52 above, so that usual ones are small. Then
// the frame as the difference to the last one.
template <class Io>
void entry(Io& io, std::uint64_t& value, Context& c) {
  const std::uint64_t low = value & 0xfff, high = value >> 52 & 0x7ff, nx = value >> 63;
  std::uint64_t flags = nx | low << 1 | high << 13;
  io.number(flags);
  std::uint64_t frame = (value & mmu::Pte::kAddressMask) >> kPageShift;
  follow(io, frame, c.frame);
  io.require(flags < 1U << 24 && frame <= mmu::Pte::kAddressMask >> kPageShift);
  value = (flags & 1) << 63 | (flags >> 1 & 0xfff) | (flags >> 13 & 0x7ff) << 52 | frame << kPageShift;
}
template <class Io, class Entry>
void entry(Io& io, Entry& value, Context& c) {
  std::uint64_t raw = value.raw();
  entry(io, raw, c);
  assign(value, raw);
}

// Head: level in bits 2:0; 3: the table is the one of the last edit at this level; 4: the address
// follows that edit's; 5: was zero; 6: is zero.
template <class Io, class Edit>
void edit(Io& io, Edit& e, Context& c) {
  constexpr std::uint8_t kSameTable = 8, kNextAddress = 16, kWasZero = 32, kIsZero = 64;
  std::uint8_t head = 0;
  if constexpr (Io::kWrites) {
    const std::uint64_t next = c.edit_address[e.level] + mmu::level_span(e.level);
    head = static_cast<std::uint8_t>(e.level | (e.slot.page_base().raw() == c.edit_table[e.level] ? kSameTable : 0) |
                                     (e.address.raw() == next ? kNextAddress : 0) | (e.before.none() ? kWasZero : 0) |
                                     (e.after.none() ? kIsZero : 0));
  }
  io.byte(head);
  const unsigned level = head & 7;
  io.require(level >= 1 && level <= mmu::kMaxLevel);
  if (!io.good()) return;
  assign(e.level, level);
  std::uint64_t at = e.address.raw();
  const std::uint64_t next = c.edit_address[level] + mmu::level_span(level);
  (head & kNextAddress) != 0 ? void(at = next) : io.difference(at, next);
  c.edit_address[level] = at;
  assign(e.address, at);
  std::uint64_t table = e.slot.page().raw();
  if ((head & kSameTable) == 0)
    io.difference(table, c.edit_table[level] >> kPageShift);
  else
    table = c.edit_table[level] >> kPageShift;
  io.require(table <= mmu::Pte::kAddressMask >> kPageShift);
  c.edit_table[level] = table << kPageShift;
  // Where in its table an entry lies follows from its address.
  assign(e.slot, (table << kPageShift) + mmu::table_index(Gva(at), level) * sizeof(std::uint64_t));
  (head & kWasZero) != 0 ? assign(e.before, 0U) : entry(io, e.before, c);
  (head & kIsZero) != 0 ? assign(e.after, 0U) : entry(io, e.after, c);
}

template <class Io, class Edits>
void edits(Io& io, Edits& list, Context& c) {
  std::size_t n = list.size();
  io.count(n, kMaxEditsInEvent);
  if constexpr (Io::kWrites) {
    for (const mmu::PteEdit& e : list) edit(io, e, c);
  } else {
    list.clear();
    for (std::size_t i = 0; i < n && io.good(); ++i) edit(io, list.emplace_back(), c);
  }
}

// Mask of what differs from the last registers: bits 15:0 the general ones, 16 RFLAGS, 17 RIP (from
// the last RIP of an exit or fault).
template <class Io, class Regs>
void registers(Io& io, Regs& regs, Context& c) {
  std::uint64_t mask = 0;
  if constexpr (Io::kWrites) {
    for (unsigned n = 0; n < 16; ++n) mask |= std::uint64_t{regs.gpr[n] != c.regs.gpr[n]} << n;
    mask |= std::uint64_t{regs.rflags != c.regs.rflags} << 16 | std::uint64_t{regs.rip != c.rip} << 17;
  }
  io.number(mask);
  io.require(mask < 1U << 18);
  UserRegs now = c.regs;
  now.rip = c.rip;
  if constexpr (Io::kWrites) now = regs;
  for (unsigned n = 0; n < 16; ++n)
    if ((mask >> n & 1) != 0) io.difference(now.gpr[n], c.regs.gpr[n]);
  if ((mask >> 16 & 1) != 0) io.difference(now.rflags, c.regs.rflags);
  if ((mask >> 17 & 1) != 0) io.difference(now.rip, c.rip);
  c.regs = now;
  assign(regs, now);
}

// Its own interned bytes: a VMA is named again and again.
template <class Io, class Info>
void vma_info(Io& io, Info& vma) {
  io.interned([&vma](auto& part) {
    address(part, vma.start, 0);
    address(part, vma.end, vma.start.raw());
    std::uint32_t flags = vma.flags.raw();
    part.small(flags);
    address(part, vma.pgoff, 0);
    const std::string_view name = vma.name.view();
    std::size_t length = name.size();
    part.count(length, kMaxVmaName);
    std::array<char, kMaxVmaName> text{};
    std::copy(name.begin(), name.end(), text.begin());
    part.raw(std::as_writable_bytes(std::span(text)).first(length));
    part.require(vma.start < vma.end && vma.start.page_aligned() && vma.end.page_aligned());
    assign(vma.flags, flags);
    if constexpr (!std::is_const_v<Info>) vma.name.assign({text.data(), length});
  });
}

}  // namespace faultline::vmm::recording

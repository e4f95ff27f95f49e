#include "vmm/recording/codec.hpp"

#include "vmm/recording/fault_fields.hpp"

namespace faultline::vmm::recording {

namespace {

// Kind of event in bits 3:0 of its first byte; the place in Body.
constexpr std::uint8_t kKindMask = 15, kOtherProcess = 16;

template <class Io, class Raw>
void raw_exit(Io& io, Raw& raw) {
  io.interned([&raw](auto& part) {
    plain(part, raw.reason);
    plain(part, raw.port);
    plain(part, raw.size);
    std::uint8_t write = raw.write ? 1 : 0;
    part.byte(write);
    part.require(write < 2);
    assign(raw.write, write != 0);
    plain(part, raw.entries);
    plain(part, raw.address);
  });
  if (raw.size != 0) plain(io, raw.data);
}

// The time of the event is that of leaving the guest.
template <class Io, class E>
void fields(Io& io, E& e, std::uint64_t time, Context& c) requires std::is_same_v<std::remove_const_t<E>, Exit> {
  enumeration(io, e.reason, 5);
  std::uint8_t flags = 0;
  if constexpr (Io::kWrites) flags = static_cast<std::uint8_t>(e.cpl | (e.regs ? 4 : 0));
  io.byte(flags);
  io.require(flags < 8);
  if (!io.good()) return;
  std::uint64_t& last = c.qualification[static_cast<std::size_t>(e.reason)];
  std::uint64_t qualification = e.qualification;
  follow(io, qualification, last);
  plain(io, e.detail);
  std::uint64_t inside = e.left_ns - e.entered_ns, late = time - e.left_ns;
  io.number(inside);
  io.number(late);
  c.guest_ns = inside;
  c.address = qualification;
  follow_address(io, e.rip, c.rip);
  raw_exit(io, e.raw);
  if ((flags & 4) != 0) {
    UserRegs regs = e.regs.value_or(UserRegs{});
    registers(io, regs, c);
    assign(e.regs, regs);
  }
  assign(e.qualification, qualification);
  assign(e.left_ns, time - late);
  assign(e.entered_ns, time - late - inside);
  assign(e.cpl, static_cast<std::uint8_t>(flags & 3));
}

template <class Io, class Times>
void times(Io& io, Times& t, const Context& c) {
  std::uint64_t guest = t.guest;
  io.difference(guest, c.guest_ns);
  plain(io, t.exit);
  plain(io, t.decide);
  plain(io, t.edit);
  plain(io, t.resume);
  assign(t.guest, guest);
}

// Flags: 1 a VMA; 2 what the decoder needs; 4 the signal's address is the fault's, else 0.
template <class Io, class Record, class Edits, class Input>
void fault(Io& io, Record& r, std::uint64_t& ended_after, Edits& all, Input& in,
           std::span<const mmu::FaultStep> step_of, Context& c) {
  std::uint8_t flags = 0;
  if constexpr (Io::kWrites)
    flags = static_cast<std::uint8_t>((r.vma ? 1 : 0) | (r.origin == mmu::FaultOrigin::kUser ? 2 : 0) |
                                      (r.signal_address != Gva() ? 4 : 0));
  io.byte(flags);
  io.require(flags < 8);
  std::uint64_t sequence = r.sequence;
  io.difference(sequence, c.sequence + 1);
  c.sequence = sequence;
  assign(r.sequence, sequence);
  outcome(io, r, step_of);
  std::uint64_t at = r.address.raw();
  follow(io, at, c.address);
  assign(r.address, at);
  follow_address(io, r.ip, c.rip);
  times(io, r.times, c);
  io.number(ended_after);
  walk(io, r.before, Gva(at), c);
  if ((flags & 1) != 0) {
    VmaInfo vma;
    if constexpr (Io::kWrites) vma = *r.vma;
    vma_info(io, vma);
    assign(r.vma, vma);
  }
  if ((flags & 2) != 0) input(io, in, c);
  // The entry of the page itself is what a fault usually changes first.
  c.edit_address[1] = (at & ~kPageMask) - kPageSize;
  edits(io, all, c);
  edit_log(io, r.edits, all, c);
  assign(r.signal_address, (flags & 4) != 0 ? at : 0);
  if constexpr (!Io::kWrites) r.blame = mmu::blame(r.before, r.error);
}

template <class Io, class E>
void fields(Io& io, E& e, std::uint64_t time, Context& c) requires std::is_same_v<std::remove_const_t<E>, Syscall> {
  plain(io, e.number);
  for (std::size_t i = 0; i < e.arguments.size(); ++i) {
    std::uint64_t argument = e.arguments[i];
    follow(io, argument, c.arguments[i]);
    assign(e.arguments[i], argument);
  }
  std::int64_t result = e.result;
  signed_number(io, result);
  assign(e.result, result);
  std::uint64_t took = e.ended_ns - e.started_ns, late = time - e.ended_ns;
  io.number(took);
  io.number(late);
  std::uint8_t blocked = e.blocked ? 1 : 0;
  io.byte(blocked);
  io.require(blocked < 2);
  assign(e.ended_ns, time - late);
  assign(e.started_ns, time - late - took);
  assign(e.blocked, blocked != 0);
}

template <class Io, class E>
void fields(Io& io, E& e, std::uint64_t, Context&) requires std::is_same_v<std::remove_const_t<E>, Signal> {
  signed_small(io, e.number);
  signed_small(io, e.code);
  address(io, e.address, 0);
  enumeration(io, e.action, 5);
}

template <class Io, class E>
void fields(Io& io, E& e, std::uint64_t, Context&) requires std::is_same_v<std::remove_const_t<E>, VmaChange> {
  io.text(e.operation);
  address(io, e.start, 0);
  address(io, e.end, e.start.raw());
  io.require(e.start <= e.end);
  std::size_t removed = e.removed.size(), added = e.added.size();
  io.count(removed, kMaxVmasInEvent);
  if constexpr (!Io::kWrites) e.removed.resize(removed);
  std::uint64_t last = 0;
  for (auto& start : e.removed) follow_address(io, start, last);
  io.count(added, kMaxVmasInEvent);
  if constexpr (!Io::kWrites) e.added.resize(added);
  for (auto& vma : e.added) vma_info(io, vma);
}

template <class Io, class E>
void fields(Io& io, E& e, std::uint64_t, Context& c) requires std::is_same_v<std::remove_const_t<E>, TableEdits> {
  address(io, e.root, 0);
  edits(io, e.edits, c);
}

template <class Io, class E>
void fields(Io& io, E& e, std::uint64_t, Context&) requires std::is_same_v<std::remove_const_t<E>, ProcessChange> {
  enumeration(io, e.event, 4);
  plain(io, e.parent);
  address(io, e.root, 0);
  io.require(e.root.page_aligned() && e.root.raw() <= mmu::Pte::kAddressMask);
  io.text(e.program);
  signed_small(io, e.status);
}

template <class Io, class E>
void fields(Io& io, E& e, std::uint64_t, Context&) requires std::is_same_v<std::remove_const_t<E>, Switch> {
  plain(io, e.from);
}

template <class Io, class E>
void fields(Io& io, E& e, std::uint64_t, Context& c) requires std::is_same_v<std::remove_const_t<E>, Counters> {
  Counters now = e;
  for (const auto member : {&Counters::rss_pages, &Counters::table_pages, &Counters::free_frames, &Counters::minor,
                            &Counters::major, &Counters::faults, &Counters::syscalls})
    io.difference(now.*member, c.counters.*member);
  c.counters = now;
  assign(e, now);
}

template <class Io, class E>
void fields(Io& io, E& e, std::uint64_t, Context&) requires std::is_same_v<std::remove_const_t<E>, End> {
  io.text(e.reason);
  signed_small(io, e.status);
}

// Kind, process and time.
template <class Io>
void head(Io& io, std::uint8_t& kind, std::uint64_t& time, std::uint32_t& process, Context& c) {
  if (process != c.process && Io::kWrites) kind |= kOtherProcess;
  io.byte(kind);
  io.require((kind & ~(kKindMask | kOtherProcess)) == 0);
  if (!Io::kWrites) process = c.process;
  if ((kind & kOtherProcess) != 0) io.small(process);
  c.process = process;
  follow(io, time, c.time);
  kind &= kKindMask;
}

template <class Kind>
constexpr std::uint8_t kind_of() {
  return static_cast<std::uint8_t>(Body(std::in_place_type<Kind>).index());
}

// Makes the alternative of that index.
template <std::size_t N = 0>
bool emplace(Body& body, std::size_t index) {
  if constexpr (N < std::variant_size_v<Body>) {
    if (index != N) return emplace<N + 1>(body, index);
    body.emplace<N>();
    return true;
  }
  return false;
}

}  // namespace

std::vector<mmu::FaultStep> all_fault_steps() {
  std::vector<mmu::FaultStep> steps;
  for (unsigned n = 0; n < 256 && !mmu::name(static_cast<mmu::FaultStep>(n)).empty(); ++n)
    steps.push_back(static_cast<mmu::FaultStep>(n));
  return steps;
}

void Encoder::begin(std::uint64_t base_ns) {
  out_.clear();
  context_ = {.mode = mode_, .time = base_ns};
}

void Encoder::add(std::uint64_t time_ns, std::uint32_t process, const Body& body) {
  if (const auto* f = std::get_if<Fault>(&body))
    return add(time_ns, process, FaultParts{f->record, f->ended_ns, f->all_edits, f->input});
  auto kind = static_cast<std::uint8_t>(body.index());
  head(out_, kind, time_ns, process, context_);
  std::visit(
      [&](const auto& b) {
        if constexpr (!std::is_same_v<std::remove_cvref_t<decltype(b)>, Fault>) fields(out_, b, time_ns, context_);
      },
      body);
}

void Encoder::add(std::uint64_t time_ns, std::uint32_t process, const FaultParts& parts) {
  std::uint8_t kind = kind_of<Fault>();
  head(out_, kind, time_ns, process, context_);
  std::uint64_t ended_after = parts.ended_ns - time_ns;
  fault(out_, parts.record, ended_after, parts.edits, parts.input, {}, context_);
}

Decoder::Decoder(std::span<const std::uint8_t> bytes, mmu::PagingMode mode, std::uint64_t base_ns,
                 std::span<const mmu::FaultStep> step_of)
    : in_(bytes), context_{.mode = mode, .time = base_ns}, step_of_(step_of) {}

bool Decoder::next(Event& event) {
  if (!in_.good() || in_.at_end()) return false;
  std::uint8_t kind = 0;
  head(in_, kind, event.time_ns, event.process, context_);
  in_.require(emplace(event.body, kind));
  if (!in_.good()) return false;
  std::visit(
      [&](auto& b) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(b)>, Fault>) {
          std::uint64_t ended_after = 0;
          fault(in_, b.record, ended_after, b.all_edits, b.input, step_of_, context_);
          b.ended_ns = event.time_ns + ended_after;
          b.record.process = event.process;
        } else {
          fields(in_, b, event.time_ns, context_);
        }
      },
      event.body);
  return in_.good();
}

}  // namespace faultline::vmm::recording

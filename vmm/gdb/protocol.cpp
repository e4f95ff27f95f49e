#include "vmm/gdb/protocol.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "vmm/gdb/signal_numbers.hpp"

namespace faultline::vmm::gdb {
namespace {

constexpr const char* kCannot = "E0e";  // EFAULT, as others answer it
constexpr std::uint64_t kMostMemory = kMaxPayload / 2;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

struct Range {
  Gva start;
  std::uint64_t bytes = 0;
};
std::optional<Range> take_range(Scanner& in) {
  const auto start = in.take_hex();
  if (!start || !in.take(",")) return std::nullopt;
  const auto bytes = in.take_hex();
  if (!bytes) return std::nullopt;
  return Range{Gva(*start), *bytes};
}

Protocol::Answer reply(std::string text) { return {.reply = std::move(text), .resume = {}}; }
Protocol::Answer resume(const Resume& how) { return {.reply = {}, .resume = how}; }

}  // namespace

std::string Protocol::thread() const { return fmt::format("{:x}", tracee_.task().pid()); }

std::string Protocol::stop_reply(const Stop& stop) const {
  int signal = SIGTRAP;
  std::string reason;
  switch (stop.why) {
    case Stop::Why::kStart:
    case Stop::Why::kStep: break;
    case Stop::Why::kSignal: signal = stop.signal; break;
    case Stop::Why::kInterrupted: signal = SIGINT; break;
    case Stop::Why::kBreakpoint:
      if (stop.asked_as == BreakKind::kSoftware && knows_swbreak_) reason = "swbreak:;";
      if (stop.asked_as == BreakKind::kHardware && knows_hwbreak_) reason = "hwbreak:;";
      break;
    case Stop::Why::kWatchpoint:
      reason = fmt::format("{}:{:x};", name(stop.watch.kind), stop.watch.address.raw());
      break;
    case Stop::Why::kExec:
      if (knows_exec_) reason = fmt::format("exec:{};", to_hex(std::string_view(tracee_.task().config().program_path)));
      break;
  }
  return fmt::format("T{:02x}{}thread:{};", to_gdb_signal(signal), reason, thread());
}

std::string Protocol::end_reply(const linux_abi::ExitStatus& status) {
  if (status.signal != 0) return fmt::format("X{:02x}", to_gdb_signal(status.signal));
  return fmt::format("W{:02x}", status.code & 0xff);
}

std::string Protocol::read_memory(Scanner in) const {
  const auto range = take_range(in);
  if (!range || !in.empty()) return kBadPacket;
  std::vector<std::byte> bytes(std::min(range->bytes, kMostMemory));
  bytes.resize(tracee_.read(bytes, range->start));
  return bytes.empty() && range->bytes != 0 ? kCannot : to_hex(bytes);
}

std::string Protocol::write_memory(Scanner in, bool binary) {
  const auto range = take_range(in);
  if (!range || !in.take(":")) return kBadPacket;
  const auto bytes = binary ? std::string(in.rest()) : from_hex(in.rest());
  if (!bytes || bytes->size() != range->bytes) return kBadPacket;
  return tracee_.write(range->start, bytes_of(*bytes)) == bytes->size() ? kOk : kCannot;
}

std::string Protocol::read_registers() {
  const auto state = tracee_.cpu();
  return state ? all_registers_hex(*state) : kCannot;
}

std::string Protocol::write_registers(std::string_view hex) {
  const auto bytes = from_hex(hex);
  if (!bytes) return kBadPacket;
  auto state = tracee_.cpu();
  Changed changed;
  if (!state || !set_all_registers(*state, bytes_of(*bytes), changed)) return kBadPacket;
  return tracee_.set_cpu(*state, changed) ? kOk : kCannot;
}

std::string Protocol::read_register(Scanner in) {
  const auto number = in.take_hex();
  if (!number || *number >= kRegisters || !in.empty()) return kBadPacket;
  const auto state = tracee_.cpu();
  return state ? register_hex(*state, static_cast<unsigned>(*number)) : kCannot;
}

std::string Protocol::write_register(Scanner in) {
  const auto number = in.take_hex();
  if (!number || *number >= kRegisters || !in.take("=")) return kBadPacket;
  const auto bytes = from_hex(in.rest());
  auto state = tracee_.cpu();
  Changed changed;
  if (!bytes || !state || !set_register(*state, static_cast<unsigned>(*number), bytes_of(*bytes), changed))
    return kBadPacket;
  return tracee_.set_cpu(*state, changed) ? kOk : kCannot;
}

// Z and z: type,address,kind. For watchpoints kind is their length.
std::string Protocol::point(Scanner in, bool insert) {
  const auto type = in.take_hex();
  if (!type || !in.take(",")) return kBadPacket;
  const auto range = take_range(in);
  if (!range) return kBadPacket;
  if (*type <= 1) {
    const BreakKind kind = *type == 0 ? BreakKind::kSoftware : BreakKind::kHardware;
    if (range->start >= tracee_.mm().task_size()) return kCannot;
    if (insert) return tracee_.breakpoints().add(range->start, kind) ? kOk : kCannot;
    tracee_.breakpoints().remove(range->start, kind);
    return kOk;
  }
  if (*type > 4) return {};
  const WatchKind kind = *type == 2 ? WatchKind::kWrite : *type == 3 ? WatchKind::kRead : WatchKind::kAccess;
  const Watchpoint watchpoint{range->start, range->bytes, kind};
  if (insert) return tracee_.watchpoints().add(tracee_.mm(), watchpoint) ? kOk : kCannot;
  tracee_.watchpoints().remove(watchpoint);
  return kOk;
}

// c [ADDRESS], s [ADDRESS], C SIGNAL[;ADDRESS], S SIGNAL[;ADDRESS].
Protocol::Answer Protocol::old_resume(Scanner in, bool step, bool with_signal) {
  Resume how{.step = step};
  if (with_signal) {
    const auto signal = in.take_hex();
    if (!signal || *signal > 0xff || (!in.empty() && !in.take(";"))) return reply(kBadPacket);
    how.signal = to_linux_signal(static_cast<int>(*signal));
  }
  if (!in.empty()) {
    const auto address = in.take_hex();
    auto state = tracee_.cpu();
    if (!address || !in.empty() || !state) return reply(kBadPacket);
    state->regs.rip = *address;
    if (!tracee_.set_cpu(*state, {.regs = true})) return reply(kCannot);
  }
  return resume(how);
}

// vCont;ACTION[:THREAD]...: the first action that concerns the one thread there is.
Protocol::Answer Protocol::resume_all(Scanner in) const {
  while (!in.empty()) {
    Scanner action(in.take_until(';'));
    Scanner what(action.take_until(':'));
    if (!action.empty() && action.rest() != "-1" && action.rest() != "0" && action.rest() != thread()) continue;
    Resume how;
    if (what.take("c")) return what.empty() ? resume(how) : reply(kBadPacket);
    how.step = true;
    if (what.take("s")) return what.empty() ? resume(how) : reply(kBadPacket);
    if (what.take("r")) {
      const auto start = what.take_hex();
      const auto end = what.take(",") ? what.take_hex() : std::nullopt;
      if (!start || !end) return reply(kBadPacket);
      how.range_start = Gva(*start);
      how.range_end = Gva(*end);
      return resume(how);
    }
    how.step = what.take("S");
    if (!how.step && !what.take("C")) return reply(kBadPacket);
    const auto signal = what.take_hex();
    if (!signal || *signal > 0xff) return reply(kBadPacket);
    how.signal = to_linux_signal(static_cast<int>(*signal));
    return resume(how);
  }
  return reply(kBadPacket);
}

Protocol::Answer Protocol::verbose(Scanner in) {
  if (in.take("Cont?")) return reply("vCont;c;C;s;S;r");
  if (in.take("Cont;")) return resume_all(in);
  if (in.take("Kill;")) return {.reply = kOk, .resume = Resume{.how = Resume::How::kKill}};
  if (in.take("File:")) return reply(program_.handle(in, tracee_.task()));
  return reply("");
}

Protocol::Answer Protocol::handle(std::string_view packet, const Stop& stop) {
  Scanner in(packet);
  if (in.take("QStartNoAckMode")) return {.reply = kOk, .resume = {}, .no_acknowledgements = true};
  if (packet.empty()) return reply("");
  const char kind = packet.front();
  in.take(packet.substr(0, 1));
  switch (kind) {
    case '?': return reply(stop_reply(stop));
    case 'g': return reply(read_registers());
    case 'G': return reply(write_registers(in.rest()));
    case 'p': return reply(read_register(in));
    case 'P': return reply(write_register(in));
    case 'm': return reply(read_memory(in));
    case 'M': return reply(write_memory(in, false));
    case 'X': return reply(write_memory(in, true));
    case 'Z': return reply(point(in, true));
    case 'z': return reply(point(in, false));
    case 'q': return reply(query(in, stop));
    case 'Q': return reply(set(in));
    case 'H':
    case 'T': return reply(kOk);  // there is one thread
    case 'v': return verbose(in);
    case 'c': return old_resume(in, false, false);
    case 's': return old_resume(in, true, false);
    case 'C': return old_resume(in, false, true);
    case 'S': return old_resume(in, true, true);
    case 'D': return {.reply = kOk, .resume = Resume{.how = Resume::How::kDetach}};
    case 'k': return resume({.how = Resume::How::kKill});
    default: return reply("");
  }
}

}  // namespace faultline::vmm::gdb

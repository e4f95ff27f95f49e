// Protocol: the general queries, "q" and "Q".
#include <fmt/format.h>

#include <algorithm>

#include "vmm/gdb/protocol.hpp"
#include "vmm/gdb/signal_numbers.hpp"

namespace faultline::vmm::gdb {
namespace {

// One piece of an object that is read in pieces: "m" when there is more, "l" for the last.
std::string piece(std::string_view object, Scanner& in) {
  const auto offset = in.take_hex();
  const auto length = in.take(",") ? in.take_hex() : std::nullopt;
  if (!offset || !length || *offset > object.size()) return kBadPacket;
  constexpr std::uint64_t kMost = kMaxPayload / 2 - 1;  // every byte may need an escape
  const std::string_view rest = object.substr(*offset);
  const std::string_view part = rest.substr(0, std::min(*length, kMost));
  return (part.size() < rest.size() ? "m" : "l") + std::string(part);
}

template <class T>
std::string raw_bytes(const T& object) {
  return {reinterpret_cast<const char*>(&object), sizeof object};
}

}  // namespace

std::string Protocol::supported(std::string_view theirs) {
  Scanner in(theirs);
  in.take(":");
  while (!in.empty()) {
    const std::string_view feature = in.take_until(';');
    knows_swbreak_ |= feature == "swbreak+";
    knows_hwbreak_ |= feature == "hwbreak+";
    knows_exec_ |= feature == "exec-events+";
  }
  return fmt::format(
      "PacketSize={:x};QStartNoAckMode+;swbreak+;hwbreak+;vContSupported+;exec-events+;QPassSignals+;"
      "qXfer:features:read+;qXfer:auxv:read+;qXfer:exec-file:read+;qXfer:siginfo:read+",
      kMaxPayload);
}

// qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH
std::string Protocol::transfer(Scanner in, const Stop& stop) {
  const std::string_view object = in.take_until(':');
  if (!in.take("read:")) return {};
  const std::string_view annex = in.take_until(':');
  const linux_abi::Task& task = tracee_.task();
  if (object == "features") return annex == "target.xml" ? piece(target_description(), in) : "E00";
  if (object == "exec-file") return piece(task.config().program_path, in);
  if (object == "auxv") {
    std::string bytes;
    for (const std::uint64_t word : task.mm().program.auxv) bytes += raw_bytes(word);
    return piece(bytes, in);
  }
  if (object == "siginfo") {
    const auto& pending = task.signals().pending;
    const auto it = stop.why == Stop::Why::kSignal ? pending.find(stop.signal) : pending.end();
    return it != pending.end() ? piece(raw_bytes(it->second.info), in) : "E01";
  }
  return {};
}

std::string Protocol::monitor(std::string_view hex) {
  const auto text = from_hex(hex);
  if (!text) return kBadPacket;
  const std::size_t blank = text->find(' ');
  const std::string name = text->substr(0, blank);
  const std::string arguments = blank == std::string::npos ? "" : text->substr(blank + 1);
  std::string out;
  const auto command = std::ranges::find(monitor_, name, &MonitorCommand::name);
  if (command != monitor_.end()) {
    out = command->run(tracee_.task(), arguments);
  } else {
    if (name != "help") out = fmt::format("there is no monitor command '{}'\n", name);
    for (const MonitorCommand& c : monitor_)
      out += fmt::format("monitor {:<18} {}\n", c.name + (c.usage.empty() ? "" : " " + c.usage), c.help);
    out += fmt::format("monitor {:<18} {}\n", "help", "these lines");
  }
  constexpr std::size_t kChunk = kMaxPayload / 4;
  for (std::size_t at = 0; at < out.size(); at += kChunk) send_("O" + to_hex(std::string_view(out).substr(at, kChunk)));
  return kOk;
}

std::string Protocol::query(Scanner in, const Stop& stop) {
  if (in.take("Supported")) return supported(in.rest());
  if (in.take("Xfer:")) return transfer(in, stop);
  if (in.take("Rcmd,")) return monitor(in.rest());
  if (in.take("fThreadInfo")) return "m" + thread();
  if (in.take("sThreadInfo")) return "l";
  if (in.take("ThreadExtraInfo,")) return to_hex(std::string_view(tracee_.task().name));
  if (in.take("Attached")) return "0";  // started by us: a client that quits kills it
  if (in.take("Symbol:")) return kOk;   // none are wanted
  if (in.rest() == "C") return "QC" + thread();
  return {};
}

std::string Protocol::set(Scanner in) {
  if (!in.take("PassSignals:")) return {};
  linux_abi::SignalSet passed;
  while (!in.empty()) {
    Scanner one(in.take_until(';'));
    if (one.empty()) continue;
    const auto number = one.take_hex();
    if (!number || !one.empty()) return kBadPacket;
    const int signal = *number < 0xff ? to_linux_signal(static_cast<int>(*number)) : 0;
    if (signal != 0) passed.add(signal);
  }
  tracee_.set_passed(passed);
  return kOk;
}

}  // namespace faultline::vmm::gdb

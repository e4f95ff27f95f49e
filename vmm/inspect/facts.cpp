#include "vmm/inspect/facts.hpp"

#include <sys/syscall.h>

#include <algorithm>
#include <array>

#include "vmm/linux_abi/trace.hpp"

namespace faultline::vmm::inspect {

namespace {

using namespace recording;

// FNV-1a, 64 bits.
class Hash {
 public:
  Hash& add(std::uint64_t value) {
    for (unsigned n = 0; n < 8; ++n) byte(static_cast<std::uint8_t>(value >> (8 * n)));
    return *this;
  }
  Hash& add(std::string_view text) {
    for (const char c : text) byte(static_cast<std::uint8_t>(c));
    return add(text.size());
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  void byte(std::uint8_t b) { value_ = (value_ ^ b) * 0x100000001b3ULL; }
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

// Their results, or arguments, are ids of processes or times.
constexpr std::array kResultVaries = {SYS_getpid, SYS_getppid, SYS_gettid, SYS_getpgrp, SYS_getpgid,
                                      SYS_getsid, SYS_setsid,  SYS_fork,   SYS_vfork,   SYS_clone,
                                      SYS_clone3, SYS_wait4,   SYS_times,  SYS_time,    SYS_set_tid_address};
constexpr std::array kArgumentsVary = {SYS_kill,    SYS_tkill,   SYS_tgkill, SYS_wait4,    SYS_waitid,
                                       SYS_setpgid, SYS_getpgid, SYS_getsid, SYS_prlimit64};

template <std::size_t N>
bool among(const std::array<int, N>& numbers, std::uint64_t number) {
  return std::ranges::any_of(numbers, [number](int n) { return static_cast<std::uint64_t>(n) == number; });
}

struct Add {
  Hash& to;

  bool operator()(const Fault& e) const {
    const FaultRecord& r = e.record;
    to.add(r.address.raw()).add(r.error.raw()).add(static_cast<std::uint64_t>(r.origin));
    for (const mmu::FaultStep step : r.path.steps()) to.add(static_cast<std::uint64_t>(step));
    const FaultEnd end = r.end == FaultEnd::kMajor ? FaultEnd::kMinor : r.end;
    to.add(static_cast<std::uint64_t>(end)).add(static_cast<std::uint64_t>(r.signal));
    return true;
  }
  bool operator()(const Syscall& e) const {
    to.add(e.number);
    // Registers beyond the call's own arguments hold what they happen to.
    const unsigned taken = among(kArgumentsVary, e.number) ? 0 : linux_abi::argument_count(e.number).value_or(0);
    for (unsigned n = 0; n < taken; ++n) to.add(e.arguments[n]);
    const bool varies = among(kResultVaries, e.number) && e.result > 0;
    to.add(varies ? 1 : static_cast<std::uint64_t>(e.result));
    return true;
  }
  bool operator()(const Signal& e) const {
    to.add(static_cast<std::uint64_t>(e.number)).add(static_cast<std::uint64_t>(e.action));
    return true;
  }
  bool operator()(const ProcessChange& e) const {
    to.add(static_cast<std::uint64_t>(e.event)).add(e.program);
    to.add(e.event == ProcessEvent::kExit ? static_cast<std::uint64_t>(e.status) : 0);
    return true;
  }
  bool operator()(const Exit&) const { return false; }
  bool operator()(const VmaChange&) const { return false; }
  bool operator()(const TableEdits&) const { return false; }
  bool operator()(const Switch&) const { return false; }
  bool operator()(const Counters&) const { return false; }
  bool operator()(const End&) const { return false; }
};

}  // namespace

const std::string& Facts::process(std::uint32_t pid) {
  const auto [at, fresh] = names_.try_emplace(pid);
  if (fresh) at->second = std::to_string(++strangers_);
  return at->second;
}

std::optional<Facts::Fact> Facts::of(const Event& event) {
  const auto* change = std::get_if<ProcessChange>(&event.body);
  if (change != nullptr && change->event == ProcessEvent::kFork) {
    const std::string parent = process(change->parent);
    names_[event.process] = parent + "." + std::to_string(++children_[parent]);
  }
  Hash hash;
  hash.add(event.body.index());
  if (!std::visit(Add{hash}, event.body)) return std::nullopt;
  return Fact{process(event.process), hash.value()};
}

}  // namespace faultline::vmm::inspect

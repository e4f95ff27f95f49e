#include "vmm/fuzz/reference/accesses.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>
#include <span>

#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz::reference {

namespace {

constexpr std::uint64_t kVsyscall = 0xffff'ffff'ff60'0000;

bool canonical(std::uint64_t address) { return address < 0x8000'0000'0000 || address >= 0xffff'8000'0000'0000; }

StepResult signal(int number, int code, std::uint64_t address) {
  StepResult result;
  result.end = StepEnd::kSignal;
  result.signal = static_cast<std::uint8_t>(number);
  result.code = code;
  result.address = address;
  return result;
}
// #GP says nothing of an address.
StepResult general_protection() { return signal(SIGSEGV, SI_KERNEL, 0); }

// One page's part of an access. Nothing: it can be made.
std::optional<StepResult> refused(Process& process, std::uint64_t address, Access access) {
  if (!canonical(address)) return general_protection();
  switch (touch(process, address, access)) {
    case Trouble::kNone: return std::nullopt;
    case Trouble::kUnmapped: return signal(SIGSEGV, SEGV_MAPERR, address);
    case Trouble::kRefused: return signal(SIGSEGV, SEGV_ACCERR, address);
    case Trouble::kNoObject: return signal(SIGBUS, BUS_ADRERR, address);
  }
  return std::nullopt;
}

// An access of one piece: of all its pages or of none, the lower page first.
std::optional<StepResult> refused(Process& process, std::uint64_t address, unsigned width, Access access) {
  const std::uint64_t last = address + width - 1;
  if (!canonical(last)) return general_protection();
  if (auto trouble = refused(process, address, access)) return trouble;
  if ((address ^ last) >> kPageShift == 0) return std::nullopt;
  return refused(process, last & ~kPageMask, access);
}

void load_into(StepResult& result, const Process& process, std::uint64_t address, unsigned width) {
  result.byte_count = static_cast<std::uint8_t>(width);
  for (unsigned i = 0; i < width; ++i) result.bytes[i] = load(process, address + i);
}

void store_pattern(Process& process, std::uint64_t address, unsigned width, unsigned pattern) {
  for (unsigned i = 0; i < width; ++i) store(process, address + i, pattern_byte(pattern, i));
}

// Whether a page of the one and a page of the other are the same page of an object by two names.
// REP MOVSB loads ahead of its stores where it is quick, and the processor goes by linear addresses.
bool aliased(const Process& process, std::uint64_t from, std::uint64_t to, unsigned count) {
  for (const std::uint64_t a : {from, from + count - 1}) {
    for (const std::uint64_t b : {to, to + count - 1}) {
      const auto one = process.pages.find(Gva(a).page()), other = process.pages.find(Gva(b).page());
      if (one == other || one == process.pages.end() || other == process.pages.end()) continue;
      const Page& p = one->second;
      const Page& q = other->second;
      if (p.traits.object != nullptr && p.traits.object == q.traits.object && p.index == q.index && !p.own && !q.own)
        return true;
    }
  }
  return false;
}

}  // namespace

StepResult read(Process& process, std::uint64_t address, unsigned width) {
  if (auto trouble = refused(process, address, width, Access::kRead)) return *trouble;
  StepResult result;
  load_into(result, process, address, width);
  return result;
}

StepResult write(Process& process, std::uint64_t address, unsigned width, unsigned pattern) {
  if (auto trouble = refused(process, address, width, Access::kWrite)) return *trouble;
  store_pattern(process, address, width, pattern);
  return {};
}

StepResult fetch(Process& process, std::uint64_t address) {
  // The vsyscall page: calls return to wherever RSP says; anything else there is a plain SIGSEGV.
  if ((address & ~kPageMask) == kVsyscall) {
    const bool call = (address & 0x3ff) == 0 && (address & kPageMask) < 0xc00;
    return call ? not_judged() : signal(SIGSEGV, SI_KERNEL, 0);
  }
  if (auto trouble = refused(process, address, Access::kExecute)) return *trouble;
  std::array<std::uint8_t, 2> bytes{load(process, address)};
  if (fetch_end(std::span(bytes).first(1)) == FetchEnd::kNeedsNext) {
    const std::uint64_t next = address + 1;
    if ((next & kPageMask) == 0)
      if (auto trouble = refused(process, next, Access::kExecute)) return *trouble;
    bytes[1] = load(process, next);
  }
  return fetch_end(bytes) == FetchEnd::kGeneralProtection ? general_protection() : StepResult{};
}

StepResult modify(Process& process, std::uint64_t address, unsigned width) {
  if (auto trouble = refused(process, address, width, Access::kWrite)) return *trouble;
  std::array<std::uint8_t, 8> old{};
  for (unsigned i = 0; i < width; ++i) old[i] = load(process, address + i);
  for (unsigned i = 0; i < width; ++i) store(process, address + (i + 1) % width, old[i]);
  return {};
}

StepResult exchange(Process& process, std::uint64_t address, unsigned width, unsigned pattern) {
  if (auto trouble = refused(process, address, width, Access::kWrite)) return *trouble;
  StepResult result;
  load_into(result, process, address, width);
  store_pattern(process, address, width, pattern);
  return result;
}

StepResult copy(Process& process, std::uint64_t from, std::uint64_t to, unsigned count) {
  if (aliased(process, from, to, count)) return not_judged();
  for (unsigned i = 0; i < count; ++i) {
    if (auto trouble = refused(process, from + i, Access::kRead)) return *trouble;
    if (auto trouble = refused(process, to + i, Access::kWrite)) return *trouble;
    store(process, to + i, load(process, from + i));
  }
  return {};
}

StepResult fill(Process& process, std::uint64_t address, unsigned count, unsigned pattern) {
  for (unsigned i = 0; i < count; ++i) {
    if (auto trouble = refused(process, address + i, Access::kWrite)) return *trouble;
    store(process, address + i, pattern_byte(pattern, 0));
  }
  return {};
}

namespace {

// Linux access_ok, then how far a copy of the kernel gets.
template <class Byte>
StepResult kernel_access(Process& process, std::uint64_t address, unsigned count, Access access, Byte byte) {
  const std::uint64_t end = address + count;
  if (end < address || end > kTaskSize) return returned(-EFAULT);
  for (unsigned i = 0; i < count; ++i) {
    if (touch(process, address + i, access) != Trouble::kNone) return returned(i == 0 ? -EFAULT : static_cast<int>(i));
    byte(i);
  }
  return returned(count);
}

}  // namespace

StepResult kernel_read(Process& process, std::uint64_t address, unsigned count) {
  return kernel_access(process, address, count, Access::kRead, [](unsigned) {});
}

StepResult kernel_write(Process& process, std::uint64_t address, unsigned count, unsigned pattern) {
  return kernel_access(process, address, count, Access::kWrite,
                       [&](unsigned i) { store(process, address + i, pattern_byte(pattern, i % 16)); });
}

}  // namespace faultline::vmm::fuzz::reference

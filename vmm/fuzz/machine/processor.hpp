// Who makes the accesses of a program when mmu has the page tables: the model's processor, or a
// vCPU. The seam between the executor (which knows processes, calls and faults) and it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "mmu/arch/error_code.hpp"
#include "mmu/base/result.hpp"
#include "mmu/space/address_space.hpp"
#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

// What becomes of an access that faulted.
enum class AfterFault : std::uint8_t {
  kAgain,  // the fault was resolved: the same instruction once more
  kNext,   // a signal: go on with the next access
  kStop,   // the process is gone: make no more accesses
};

// Who hears of what the accesses do. `index` counts from the first access of the run.
// It may have heard enough, and say kStop to the next fault: what was made since does not count.
class AccessSink {
 public:
  virtual ~AccessSink() = default;
  virtual AfterFault page_fault(std::size_t index, Gva address, mmu::ErrorCode error) = 0;
  // Any other exception: #GP of a non-canonical address or of a fetch (fetch_end()), #SS, ...
  virtual AfterFault exception(std::size_t index, unsigned vector, std::uint32_t error) = 0;
  // The access was made; a fetch was stepped. `loaded`: what kRead and kLocked read, else empty.
  virtual void made(std::size_t index, std::span<const std::uint8_t> loaded) = 0;
  // What comes of the access is not defined: an entry was flipped, and whether the processor has the
  // old one cached is anybody's guess. No more accesses are to be made.
  virtual void undefined(std::size_t index) = 0;
};

// An entry that was flipped.
struct FlippedEntry {
  Gva address;  // first that it translates
  mmu::Level level = 1;
  Gpa slot;
  std::uint64_t before = 0, after = 0;
};

class Processor {
 public:
  virtual ~Processor() = default;
  // Makes `accesses` (operations of OpClass::kAccess) one after the other in the address space
  // `mm`. Error: the host failed.
  virtual Result<void> run(mmu::AddressSpace& mm, std::span<const Operation> accesses, AccessSink& sink) = 0;
  // An address space of the program under judgement came to be (the first; by fork), and is about to go: the place for
  // what the processor needs in it, outside every window (kMargin included).
  virtual Result<void> adopt(mmu::AddressSpace& mm) = 0;
  virtual void release(mmu::AddressSpace& mm) = 0;
  // Whether `address` is of the processor's own pages: not part of what the program sees.
  [[nodiscard]] virtual bool owns(Gva address) const = 0;
  // Raw operations. False: it can't be done with this processor; the judge stops judging there.
  virtual bool flip_control(Control control) = 0;
  virtual void invalidate(mmu::AddressSpace& mm, Gva address) = 0;
  // Told after the fact. When flips are undone, the sink drops everything (TlbSink::drop_all).
  virtual void entry_flipped(mmu::AddressSpace&, const FlippedEntry&) {}
  // A translation that the processor may still use although the tables say otherwise, in words:
  // something was not invalidated. Nothing: there is none that this processor can tell.
  [[nodiscard]] virtual std::optional<std::string> stale() { return std::nullopt; }
  // What the guest cost since the last call; nothing where there is none.
  virtual GuestCost take_cost() { return {}; }
};

}  // namespace faultline::vmm::fuzz

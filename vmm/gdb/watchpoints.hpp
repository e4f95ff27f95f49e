// Watchpoints without debug registers, which not every KVM gives a guest: while the vCPU runs the
// process, the pages watched lack the right that the access needs (W, or U for reads too); the
// fault brings the access here. The right is back as soon as the vCPU is left, so that nobody but
// the processor ever sees the entry without it; Accessed and Dirty stay as they are.
//
// Writes are told by their effect: the bytes differ afterwards. Reads are told by the operands of
// the instruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "mmu/space/address_space.hpp"
#include "vmm/decode/instruction.hpp"

namespace faultline::vmm::gdb {

enum class WatchKind : std::uint8_t { kWrite, kRead, kAccess };
// As a stop reply calls it: "watch", "rwatch", "awatch".
std::string_view name(WatchKind kind);

struct Watchpoint {
  Gva address;
  std::uint64_t bytes = 0;
  WatchKind kind = WatchKind::kWrite;
  bool operator==(const Watchpoint&) const = default;
};

class Watchpoints {
 public:
  static constexpr std::size_t kMost = 64;
  static constexpr std::uint64_t kMostBytes = 64 << 10;

  // False: too many, too long, nothing at all, or not in the user half.
  bool add(const mmu::AddressSpace& mm, const Watchpoint& watchpoint);
  void remove(const Watchpoint& watchpoint);
  void clear() { all_.clear(); }
  [[nodiscard]] bool empty() const { return all_.empty(); }

  // Before the vCPU runs: takes the rights away. Precondition: not taken.
  void guard(mmu::AddressSpace& mm);
  // The same where nothing is to be taken: the run is a single step.
  void no_guard() { guards_.clear(); }
  // After it ran: gives them back.
  void release(mmu::AddressSpace& mm);
  // The last guard() took away what a fault at `address` lacked.
  [[nodiscard]] bool guarded(Gva address, bool write) const;

  // The instruction about to run reads or writes what is watched for that.
  [[nodiscard]] const Watchpoint* accessed_by(const decode::Instruction& instruction) const;
  // Watched bytes that differ from when this was asked last.
  [[nodiscard]] const Watchpoint* changed(const mmu::AddressSpace& mm);
  // From here on changes count (the debugger itself has written).
  void look_again(const mmu::AddressSpace& mm);

 private:
  struct Entry {
    Watchpoint what;
    std::vector<std::byte> bytes;  // as last seen
  };
  struct Guard {
    Gva page;
    std::uint64_t taken = 0;  // bits of the leaf
  };
  static std::vector<std::byte> read(const mmu::AddressSpace& mm, const Watchpoint& watchpoint);

  std::vector<Entry> all_;
  std::vector<Guard> guards_;  // of the run in progress, or the last one
};

}  // namespace faultline::vmm::gdb

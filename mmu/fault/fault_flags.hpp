// How a fault is handled (Linux enum fault_flag). The values are ours.
#pragma once

#include <cstdint>

namespace faultline::mmu {

class FaultFlags {
 public:
  static constexpr std::uint32_t kWrite = 1U << 0;
  static constexpr std::uint32_t kAllowRetry = 1U << 1;
  static constexpr std::uint32_t kKillable = 1U << 2;
  static constexpr std::uint32_t kTried = 1U << 3;  // an attempt was made already
  static constexpr std::uint32_t kUser = 1U << 4;
  static constexpr std::uint32_t kRemote = 1U << 5;  // not for the current process
  static constexpr std::uint32_t kInstruction = 1U << 6;
  static constexpr std::uint32_t kInterruptible = 1U << 7;
  static constexpr std::uint32_t kUnshare = 1U << 8;  // break sharing, do not write
  static constexpr std::uint32_t kVmaLock = 1U << 9;
  static constexpr std::uint32_t kDefault = kAllowRetry | kKillable | kInterruptible;

  constexpr FaultFlags() = default;
  constexpr explicit FaultFlags(std::uint32_t bits) : bits_(bits) {}
  [[nodiscard]] constexpr std::uint32_t raw() const { return bits_; }
  [[nodiscard]] constexpr bool has(std::uint32_t mask) const { return (bits_ & mask) == mask; }
  [[nodiscard]] constexpr bool any(std::uint32_t mask) const { return (bits_ & mask) != 0; }
  [[nodiscard]] constexpr FaultFlags with(std::uint32_t mask) const { return FaultFlags(bits_ | mask); }
  [[nodiscard]] constexpr FaultFlags without(std::uint32_t mask) const { return FaultFlags(bits_ & ~mask); }
  constexpr bool operator==(const FaultFlags&) const = default;

 private:
  std::uint32_t bits_ = 0;
};

}  // namespace faultline::mmu

// The page-fault error code. SDM vol. 3A, "Page-Fault Exceptions", figure "Page-Fault Error
// Code"; Linux enum x86_pf_error_code (X86_PF_*).
#pragma once

#include <cstdint>
#include <string>

namespace faultline::mmu {

class ErrorCode {
 public:
  static constexpr std::uint32_t kPresent = 1U << 0;   // P: 0 = not present, 1 = protection
  static constexpr std::uint32_t kWrite = 1U << 1;     // W/R
  static constexpr std::uint32_t kUser = 1U << 2;      // U/S: access in user mode
  static constexpr std::uint32_t kReserved = 1U << 3;  // RSVD: reserved bit set in an entry
  static constexpr std::uint32_t kFetch = 1U << 4;     // I/D: instruction fetch
  static constexpr std::uint32_t kProtectionKey = 1U << 5;
  static constexpr std::uint32_t kShadowStack = 1U << 6;
  static constexpr std::uint32_t kSgx = 1U << 15;

  constexpr ErrorCode() = default;
  constexpr explicit ErrorCode(std::uint32_t bits) : bits_(bits) {}
  [[nodiscard]] constexpr std::uint32_t raw() const { return bits_; }
  [[nodiscard]] constexpr bool present() const { return (bits_ & kPresent) != 0; }
  [[nodiscard]] constexpr bool write() const { return (bits_ & kWrite) != 0; }
  [[nodiscard]] constexpr bool user() const { return (bits_ & kUser) != 0; }
  [[nodiscard]] constexpr bool reserved() const { return (bits_ & kReserved) != 0; }
  [[nodiscard]] constexpr bool fetch() const { return (bits_ & kFetch) != 0; }
  [[nodiscard]] constexpr bool protection_key() const { return (bits_ & kProtectionKey) != 0; }
  [[nodiscard]] constexpr ErrorCode with(std::uint32_t bits) const { return ErrorCode(bits_ | bits); }
  constexpr bool operator==(const ErrorCode&) const = default;

  // In the manner of Linux's report: "user write, protection violation". Never empty.
  [[nodiscard]] std::string spelled_out() const;
  // The set bits by SDM name: "P W U". "-" when none is set.
  [[nodiscard]] std::string bit_names() const;

 private:
  std::uint32_t bits_ = 0;
};

}  // namespace faultline::mmu

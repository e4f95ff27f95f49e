// What a handler of a fault says: a set of result bits (Linux enum vm_fault_reason).
#pragma once

#include <cstdint>

namespace faultline::mmu {

class VmFault {
 public:
  static constexpr std::uint32_t kOom = 0x1;
  static constexpr std::uint32_t kSigbus = 0x2;
  static constexpr std::uint32_t kMajor = 0x4;
  static constexpr std::uint32_t kHwpoison = 0x10;       // a small page is poisoned
  static constexpr std::uint32_t kHwpoisonLarge = 0x20;  // a huge one; its size is in hugepage_shift()
  static constexpr std::uint32_t kSigsegv = 0x40;
  static constexpr std::uint32_t kNopage = 0x100;    // the entry is installed, or somebody else was faster
  static constexpr std::uint32_t kLocked = 0x200;    // the page came locked
  static constexpr std::uint32_t kRetry = 0x400;     // the lock was dropped: once more
  static constexpr std::uint32_t kFallback = 0x800;  // no huge page: smaller ones
  static constexpr std::uint32_t kDoneCow = 0x1000;  // the handler made the private copy itself
  static constexpr std::uint32_t kNeedDsync = 0x2000;
  static constexpr std::uint32_t kCompleted = 0x4000;  // all done, the lock dropped
  // Ours: all done in one attempt, where Linux drops the lock over a page and makes a second one.
  static constexpr std::uint32_t kWaited = 0x4000'0000;
  static constexpr std::uint32_t kBadTable = 0x8000'0000;  // ours: an entry that nobody of us wrote

  // Linux VM_FAULT_ERROR.
  static constexpr std::uint32_t kError =
      kOom | kSigbus | kHwpoison | kHwpoisonLarge | kSigsegv | kFallback | kBadTable;

  constexpr VmFault() = default;
  constexpr VmFault(std::uint32_t bits) : bits_(bits) {}  // NOLINT: handlers return bits
  // Linux VM_FAULT_SET_HINDEX: the size of a poisoned huge page as a page shift.
  static constexpr VmFault poisoned_large(unsigned shift) { return kHwpoisonLarge | shift << kShiftAt; }

  [[nodiscard]] constexpr std::uint32_t raw() const { return bits_; }
  [[nodiscard]] constexpr bool any(std::uint32_t mask) const { return (bits_ & mask) != 0; }
  [[nodiscard]] constexpr bool error() const { return any(kError); }
  [[nodiscard]] constexpr unsigned hugepage_shift() const { return bits_ >> kShiftAt & 0x3fU; }
  [[nodiscard]] constexpr VmFault with(std::uint32_t mask) const { return bits_ | mask; }
  [[nodiscard]] constexpr VmFault without(std::uint32_t mask) const { return bits_ & ~mask; }
  constexpr bool operator==(const VmFault&) const = default;

 private:
  static constexpr unsigned kShiftAt = 16;
  std::uint32_t bits_ = 0;
};

}  // namespace faultline::mmu

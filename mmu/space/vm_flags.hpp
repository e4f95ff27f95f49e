// VMA flags, by Linux's names (include/linux/mm.h, VM_*). The values are ours.
#pragma once

#include <cstdint>
#include <string>

#include "mmu/arch/pte.hpp"

namespace faultline::mmu {

class VmFlags {
 public:
  static constexpr std::uint32_t kRead = 1U << 0;
  static constexpr std::uint32_t kWrite = 1U << 1;
  static constexpr std::uint32_t kExec = 1U << 2;
  static constexpr std::uint32_t kShared = 1U << 3;
  static constexpr std::uint32_t kMayRead = 1U << 4;
  static constexpr std::uint32_t kMayWrite = 1U << 5;
  static constexpr std::uint32_t kMayExec = 1U << 6;
  static constexpr std::uint32_t kMayShare = 1U << 7;
  static constexpr std::uint32_t kGrowsDown = 1U << 8;
  static constexpr std::uint32_t kLocked = 1U << 9;
  static constexpr std::uint32_t kLockOnFault = 1U << 10;
  static constexpr std::uint32_t kDontCopy = 1U << 11;  // MADV_DONTFORK
  static constexpr std::uint32_t kWipeOnFork = 1U << 12;
  static constexpr std::uint32_t kSeqRead = 1U << 13;
  static constexpr std::uint32_t kRandRead = 1U << 14;
  static constexpr std::uint32_t kNoReserve = 1U << 15;
  static constexpr std::uint32_t kAccount = 1U << 16;
  static constexpr std::uint32_t kHugePage = 1U << 17;  // MADV_HUGEPAGE, recorded
  static constexpr std::uint32_t kNoHugePage = 1U << 18;
  static constexpr std::uint32_t kDontDump = 1U << 19;
  static constexpr std::uint32_t kMergeable = 1U << 20;
  static constexpr unsigned kPkeyShift = 21;  // the protection key, 4 bits (VM_PKEY_BIT0..3)
  static constexpr std::uint32_t kPkeyMask = 0xfU << kPkeyShift;
  static constexpr std::uint32_t kSealed = 1U << 25;     // mseal
  static constexpr std::uint32_t kDroppable = 1U << 26;  // MAP_DROPPABLE
  // MADV_GUARD_INSTALL was used in it: fork copies its tables. Never taken away again.
  static constexpr std::uint32_t kMaybeGuard = 1U << 27;
  // Keeps no two areas apart; the merged one has it (VM_STICKY).
  static constexpr std::uint32_t kSticky = kMaybeGuard;
  static constexpr std::uint32_t kProtection = kRead | kWrite | kExec;

  constexpr VmFlags() = default;
  constexpr explicit VmFlags(std::uint32_t bits) : bits_(bits) {}
  [[nodiscard]] constexpr std::uint32_t raw() const { return bits_; }
  [[nodiscard]] constexpr bool has(std::uint32_t mask) const { return (bits_ & mask) == mask; }
  [[nodiscard]] constexpr bool any(std::uint32_t mask) const { return (bits_ & mask) != 0; }
  [[nodiscard]] constexpr VmFlags with(std::uint32_t mask) const { return VmFlags(bits_ | mask); }
  [[nodiscard]] constexpr VmFlags without(std::uint32_t mask) const { return VmFlags(bits_ & ~mask); }
  constexpr bool operator==(const VmFlags&) const = default;
  [[nodiscard]] constexpr unsigned pkey() const { return (bits_ & kPkeyMask) >> kPkeyShift; }
  [[nodiscard]] constexpr VmFlags with_pkey(unsigned key) const {
    return VmFlags((bits_ & ~kPkeyMask) | (key << kPkeyShift & kPkeyMask));
  }
  // Linux vma_is_accessible.
  [[nodiscard]] constexpr bool accessible() const { return any(kProtection); }
  // Private and possibly writable: what copy-on-write applies to (is_cow_mapping).
  [[nodiscard]] constexpr bool cow() const { return !has(kShared) && has(kMayWrite); }

  // The flag bits of a level-1 entry for a page of this VMA (Linux vm_page_prot): A preset, W
  // only where the mapping is shared, so a private page becomes writable by a fault alone.
  [[nodiscard]] constexpr std::uint64_t page_prot() const {
    const std::uint64_t key = std::uint64_t{pkey()} << Pte::kPkeyShift;
    if (!accessible()) return Pte::kAccessed | Pte::kProtNone | key;
    std::uint64_t prot = key | Pte::kPresent | Pte::kUser | Pte::kAccessed;
    if (has(kWrite) && has(kShared)) prot |= Pte::kWrite;
    if (!has(kExec)) prot |= Pte::kNoExecute;
    return prot;
  }
  // "rw-p" as /proc/PID/maps prints it.
  [[nodiscard]] std::string text() const {
    std::string s = "---p";
    if (has(kRead)) s[0] = 'r';
    if (has(kWrite)) s[1] = 'w';
    if (has(kExec)) s[2] = 'x';
    if (has(kMayShare)) s[3] = 's';
    return s;
  }

 private:
  std::uint32_t bits_ = 0;
};

}  // namespace faultline::mmu

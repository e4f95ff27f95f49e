// Which Linux is reproduced. 6.18 is; what older versions did differently, where a program can
// see it, is a switch here (docs/linux-versions.md lists them). A switch is set by the version
// that is asked for, or by a test alone.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace faultline {

struct LinuxVersion {
  unsigned major = 6, minor = 18;
  auto operator<=>(const LinuxVersion&) const = default;
  [[nodiscard]] std::string text() const { return std::to_string(major) + '.' + std::to_string(minor); }
};

inline constexpr LinuxVersion kOldestLinux{4, 0};
inline constexpr LinuxVersion kNewestLinux{6, 18};

// "5.4" as a version that was released and is known here; nothing otherwise.
std::optional<LinuxVersion> parse_linux_version(std::string_view text);

struct LinuxBehaviour {
  // The fault path.
  bool stack_pointer_check = false;  // < 5.0: no stack growth more than 65536 + 256 bytes below rsp
  bool retry_once = false;           // < 5.7: a fault is tried a second time, not a third
  bool arch_counts_faults = false;   // < 5.9: vmstat counts attempts, only MAJOR makes a major fault
  bool vma_lock = true;              // 6.4: faults try the VMA's own lock first
  bool exec_readahead = true;        // 6.17: a file that is executed is read from the fault on, not around it
  // Address-space operations.
  bool fixed_noreplace = true;       // 4.17: MAP_FIXED_NOREPLACE; a hint before
  bool wipe_on_fork = true;          // 4.14: MADV_WIPEONFORK, MADV_KEEPONFORK
  bool cold_and_pageout = true;      // 5.4: MADV_COLD, MADV_PAGEOUT
  bool dontunmap = true;             // 5.7: MREMAP_DONTUNMAP
  bool dontunmap_files = true;       // 5.13: of mappings that are not private and anonymous, too
  bool process_madvise = true;       // 5.10
  bool populate_advice = true;       // 5.14: MADV_POPULATE_READ, MADV_POPULATE_WRITE
  bool dontneed_locked = true;       // 5.18: MADV_DONTNEED_LOCKED
  bool mprotect_upgrades = true;     // 6.1: mprotect gives W back to pages of one owner
  bool collapse = true;              // 6.1: MADV_COLLAPSE
  bool mseal = true;                 // 6.10
  bool droppable = true;             // 6.11: MAP_DROPPABLE
  bool guard_regions = true;         // 6.13: MADV_GUARD_INSTALL, MADV_GUARD_REMOVE
  bool process_madvise_self = true;  // 6.13: any advice to oneself
  bool pt_reclaim = true;            // 6.14: MADV_DONTNEED of 2 MiB frees the table
  bool guard_files = true;           // 6.15: guard regions in file mappings
  bool mremap_many = true;           // 6.17: one mremap moves several VMAs

  static LinuxBehaviour of(LinuxVersion version);
  bool operator==(const LinuxBehaviour&) const = default;
};

}  // namespace faultline

// An access as a processor makes it: the walk, the rights, the error code, Accessed and Dirty.
// SDM vol. 3A, "Determination of Access Rights", "Page-Fault Exceptions", "Accessed and Dirty
// Flags", "Protection Keys".
#pragma once

#include <optional>

#include "mmu/pgtable/walk.hpp"

namespace faultline::mmu {

enum class AccessKind : std::uint8_t { kRead, kWrite, kFetch };

struct ProcessorAccess {
  AccessKind kind = AccessKind::kRead;
  bool user = false;      // made at CPL 3
  bool implicit = false;  // to a descriptor table or TSS: a supervisor's, whatever the CPL
  bool ac = false;        // EFLAGS.AC
};

// Control bits that decide about rights, and the key registers: AD at bit 2k, WD at bit 2k+1.
struct ProtectionControls {
  bool wp = true, smep = false, smap = false, pke = false, pks = false;
  std::uint32_t pkru = 0, pkrs = 0;
};

struct Processor {
  PagingMode mode = PagingMode::kFourLevel;
  PagingRules paging;
  ProtectionControls protection;
};

// The error code of the #PF that `access` raises at the end of `walk`, or nothing when it is
// allowed. Precondition: the walk ended inside memory, at a canonical address.
std::optional<ErrorCode> page_fault_of(const Walk& walk, const Processor& cpu, const ProcessorAccess& access);

// Sets Accessed in every entry that `walk` used, and Dirty in its leaf for a write. False when an
// entry no longer is what the walk read: then the access begins again.
bool mark_used(const PhysMemory& memory, const Walk& walk, AccessKind kind);

struct Translated {
  Walk walk;
  std::optional<ErrorCode> fault;  // of a #PF
  // True when neither: not canonical (#GP or #SS), or a table lies outside memory.
  [[nodiscard]] bool unwalkable() const {
    return walk.end == WalkEnd::kNonCanonical || walk.end == WalkEnd::kOutsideMemory;
  }
};

// Makes the access. Where it is allowed, Accessed is set in every entry used, and Dirty in the
// leaf by a write; where it is not, nothing is. An entry that changes meanwhile is read again.
Translated translate(const PhysMemory& memory, Gfn root, const Processor& cpu, Gva va, const ProcessorAccess& access);

}  // namespace faultline::mmu

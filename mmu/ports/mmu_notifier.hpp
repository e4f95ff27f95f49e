// Somebody who mirrors the page tables of an address space and must stop using translations
// before they are torn down (Linux mmu_notifier). Every teardown is bracketed: start before the
// first entry changes, end when the frames may be reused.
#pragma once

#include <cstdint>

#include "mmu/base/address.hpp"

namespace faultline::mmu {

class AddressSpace;

// Linux enum mmu_notifier_event.
enum class NotifierEvent : std::uint8_t {
  kUnmap,           // munmap, mremap's source
  kClear,           // entries go, the VMA stays: DONTNEED, truncation, copy-on-write
  kProtectionVma,   // mprotect
  kProtectionPage,  // fork, write-back: entries lose W
};

class MmuNotifier {
 public:
  virtual ~MmuNotifier() = default;
  // Ranges are page aligned and never empty; they nest only for the same address space.
  virtual void range_start(const AddressSpace& mm, NotifierEvent event, Gva start, Gva end) = 0;
  virtual void range_end(const AddressSpace& mm, NotifierEvent event, Gva start, Gva end) = 0;
};

}  // namespace faultline::mmu

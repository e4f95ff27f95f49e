// What the backend itself saw of the last return from the guest, for records: for KVM the last
// KVM_EXIT_* of the entry, for hosted the stop of the stub.
#pragma once

#include <cstdint>

namespace faultline::vmm {

struct RawExit {
  std::uint32_t reason = 0;  // KVM_EXIT_*; hosted: the signal
  std::uint16_t port = 0;    // of an I/O exit
  std::uint8_t size = 0;     // bytes; 0: no I/O and no MMIO
  bool write = false;
  std::uint64_t address = 0;  // of an MMIO exit
  std::uint64_t data = 0;
  std::uint32_t entries = 1;  // how often the guest was entered until an event came of it
  bool operator==(const RawExit&) const = default;
};

}  // namespace faultline::vmm

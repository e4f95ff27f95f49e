// A device with four 32-bit registers, for kernel programs that trace one:
//   0  identification, read-only     4  scratch     8  how often this was read     12  ~scratch
// Other offsets read as ones. An access of another width sees the registers as bytes of memory.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "guest/abi.h"

namespace faultline::vmm::kernel {

class Device {
 public:
  [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned bytes) {
    if (offset == kReads) ++reads_;
    const std::array<std::uint32_t, 4> registers = {FL_DEVICE_ID, scratch_, reads_, ~scratch_};
    std::uint64_t value = ~0ULL;
    if (offset < sizeof registers && bytes <= sizeof registers - offset)
      std::memcpy(&value, reinterpret_cast<const std::byte*>(registers.data()) + offset, bytes);
    return bytes < 8 ? value & ((1ULL << bytes * 8) - 1) : value;
  }
  void write(std::uint64_t offset, unsigned bytes, std::uint64_t value) {
    if (offset == kScratch && bytes == 4) scratch_ = static_cast<std::uint32_t>(value);
  }

 private:
  static constexpr std::uint64_t kScratch = 4, kReads = 8;
  std::uint32_t scratch_ = 0, reads_ = 0;
};

}  // namespace faultline::vmm::kernel

// Port I/O: which device answers at which port. What nobody claims reads as all ones and swallows
// writes, as on a PC.
#pragma once

#include <cstdint>
#include <vector>

namespace faultline::vmm {

class PortDevice {
 public:
  virtual ~PortDevice() = default;
  // `offset`: from the device's first port. `size`: bytes, no more than the width it was attached with.
  virtual std::uint32_t read(std::uint16_t offset, unsigned size) = 0;
  virtual void write(std::uint16_t offset, unsigned size, std::uint32_t value) = 0;
};

class PortBus {
 public:
  // Ports [first, first + count) are `device`'s, which outlives the bus; no two devices share one.
  // An access wider than `width` bytes reaches it as several, one port after the other.
  void attach(std::uint16_t first, std::uint16_t count, unsigned width, PortDevice& device);

  // `size`: 1, 2 or 4 bytes.
  [[nodiscard]] std::uint32_t read(std::uint16_t port, unsigned size) const;
  void write(std::uint16_t port, unsigned size, std::uint32_t value) const;

 private:
  struct Range {
    std::uint16_t first, count;
    unsigned width;
    PortDevice* device;
  };
  [[nodiscard]] const Range* find(std::uint32_t port) const;

  std::vector<Range> ranges_;
};

}  // namespace faultline::vmm

// The part of QEMU's fw_cfg that a multiboot kernel asks for: how much memory, how many processors.
#pragma once

#include <vector>

#include "vmm/devices/port_bus.hpp"

namespace faultline::vmm {

class FirmwareConfig final : public PortDevice {
 public:
  static constexpr std::uint16_t kFirstPort = 0x510, kPorts = 2;  // selector (16 bits), data (bytes)

  explicit FirmwareConfig(std::uint64_t memory_bytes) : memory_bytes_(memory_bytes) {}

  std::uint32_t read(std::uint16_t offset, unsigned size) override;
  void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

 private:
  [[nodiscard]] std::vector<std::uint8_t> item(std::uint32_t key) const;

  std::uint64_t memory_bytes_;
  std::vector<std::uint8_t> selected_;
  std::size_t next_ = 0;
};

}  // namespace faultline::vmm

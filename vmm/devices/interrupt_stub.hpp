// In the place of a PC's pair of 8259 interrupt controllers, where KVM has none: takes the usual
// initialisation, keeps the mask, and never interrupts.
#pragma once

#include "vmm/devices/port_bus.hpp"

namespace faultline::vmm {

class InterruptStub final : public PortDevice {
 public:
  static constexpr std::uint16_t kPorts = 2;  // command, data

  std::uint32_t read(std::uint16_t offset, unsigned size) override;
  void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

 private:
  unsigned words_to_come_ = 0;  // of the initialisation, at the data port
  std::uint8_t mask_ = 0xff;
};

}  // namespace faultline::vmm

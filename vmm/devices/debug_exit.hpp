// The port at which a guest says that it is done, as QEMU's isa-debug-exit.
#pragma once

#include <optional>

#include "vmm/devices/port_bus.hpp"

namespace faultline::vmm {

class DebugExit final : public PortDevice {
 public:
  static constexpr std::uint16_t kPorts = 4;
  // The exit status of a process for what the guest wrote: never 0, so that success is the guest's to name.
  static constexpr int status_of(std::uint32_t value) { return static_cast<int>((value << 1 | 1) & 0xff); }

  std::uint32_t read(std::uint16_t, unsigned) override { return 0; }
  void write(std::uint16_t, unsigned, std::uint32_t value) override {
    if (!value_) value_ = value;
  }
  // What was written first, if anything.
  [[nodiscard]] std::optional<std::uint32_t> value() const { return value_; }

 private:
  std::optional<std::uint32_t> value_;
};

}  // namespace faultline::vmm

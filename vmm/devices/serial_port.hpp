// A 16550 serial port that a guest prints on. It is always ready to send, receives nothing and
// raises no interrupt: what a program that polls needs.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "vmm/devices/port_bus.hpp"

namespace faultline::vmm {

class SerialPort final : public PortDevice {
 public:
  static constexpr std::uint16_t kPorts = 8;
  // Gets what was sent, a line or some KiB at a time.
  using Sink = std::function<void(std::string_view)>;

  explicit SerialPort(Sink sink) : sink_(std::move(sink)) {}

  std::uint32_t read(std::uint16_t offset, unsigned size) override;
  void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;
  // Hands on what is still held back.
  void flush();

 private:
  void send(char byte);
  [[nodiscard]] bool divisor_selected() const;
  [[nodiscard]] std::uint32_t modem_status() const;

  Sink sink_;
  std::string held_;
  std::uint8_t interrupt_enable_ = 0, fifo_control_ = 0, line_control_ = 0, modem_control_ = 0, scratch_ = 0;
  std::uint8_t divisor_low_ = 1, divisor_high_ = 0;
};

}  // namespace faultline::vmm

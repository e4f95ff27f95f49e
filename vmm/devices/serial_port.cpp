#include "vmm/devices/serial_port.hpp"

namespace faultline::vmm {

namespace {

// PC16550D data sheet, "Register addresses".
enum Register : std::uint16_t {
  kData,
  kInterruptEnable,
  kIdentification,
  kLineControl,
  kModemControl,
  kLineStatus,
  kModemStatus,
  kScratch
};
constexpr std::uint8_t kInterruptSources = 0x0f;  // interrupt enable
constexpr std::uint8_t kDivisorLatch = 0x80;      // line control
constexpr std::uint8_t kLoopback = 0x10;          // modem control
constexpr std::uint8_t kFifoEnable = 0x01;        // FIFO control
constexpr std::uint8_t kNothingPending = 0x01;    // identification
constexpr std::uint8_t kFifosEnabled = 0xc0;      // identification
constexpr std::uint8_t kTransmitterEmpty = 0x60;  // line status: holding register and shift register
constexpr std::uint8_t kConnected = 0xb0;         // modem status: carrier, data set ready, clear to send

constexpr std::size_t kHeldAtMost = 4096;

}  // namespace

bool SerialPort::divisor_selected() const { return (line_control_ & kDivisorLatch) != 0; }

// In loopback the four outputs are the four inputs: RTS is CTS, DTR is DSR, OUT1 is RI, OUT2 is DCD.
// Drivers look for a port this way.
std::uint32_t SerialPort::modem_status() const {
  if ((modem_control_ & kLoopback) == 0) return kConnected;
  const unsigned outputs = modem_control_;
  return (outputs & 2) << 3 | (outputs & 1) << 5 | (outputs & 4) << 4 | (outputs & 8) << 4;
}

std::uint32_t SerialPort::read(std::uint16_t offset, unsigned) {
  switch (offset) {
    case kData: return divisor_selected() ? divisor_low_ : 0;
    case kInterruptEnable: return divisor_selected() ? divisor_high_ : interrupt_enable_;
    case kIdentification: return kNothingPending | ((fifo_control_ & kFifoEnable) != 0 ? kFifosEnabled : 0);
    case kLineControl: return line_control_;
    case kModemControl: return modem_control_;
    case kLineStatus: return kTransmitterEmpty;
    case kModemStatus: return modem_status();
    case kScratch: return scratch_;
  }
  return 0xff;
}

void SerialPort::write(std::uint16_t offset, unsigned, std::uint32_t value) {
  const auto byte = static_cast<std::uint8_t>(value);
  switch (offset) {
    case kData:
      if (divisor_selected()) {
        divisor_low_ = byte;
      } else if ((modem_control_ & kLoopback) == 0) {
        send(static_cast<char>(byte));
      }
      return;
    case kInterruptEnable:
      if (divisor_selected()) {
        divisor_high_ = byte;
      } else {
        interrupt_enable_ = byte & kInterruptSources;
      }
      return;
    case kIdentification: fifo_control_ = byte; return;
    case kLineControl: line_control_ = byte; return;
    case kModemControl: modem_control_ = byte; return;
    case kScratch: scratch_ = byte; return;
  }
}

void SerialPort::send(char byte) {
  held_ += byte;
  if (byte == '\n' || held_.size() >= kHeldAtMost) flush();
}

void SerialPort::flush() {
  if (!held_.empty()) sink_(held_);
  held_.clear();
}

}  // namespace faultline::vmm

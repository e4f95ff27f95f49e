// The framing of the GDB remote serial protocol: $payload#checksum, acknowledgements, the interrupt byte.
// GDB manual, appendix "GDB Remote Serial Protocol", "Overview". What comes in is hostile: any
// bytes may be fed, in any pieces, and the reader holds no more than one packet of bounded size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace faultline::vmm::gdb {

// The longest payload that is taken, and the longest that is sent.
inline constexpr std::size_t kMaxPayload = 0x20000;

// Answers that say no more.
inline constexpr const char *kOk = "OK", *kBadPacket = "E01";

enum class Incoming : std::uint8_t {
  kPacket,     // payload() is a packet whose checksum is right, escapes undone
  kInterrupt,  // the byte 0x03 outside a packet
  kAck,
  kNack,
  kDamaged,  // a packet with a wrong checksum, or too long: to be asked for again
};

class PacketReader {
 public:
  // Takes one byte; what it completes, if anything.
  std::optional<Incoming> feed(char byte);
  // Of the last kPacket; valid until the next feed().
  [[nodiscard]] const std::string& payload() const { return payload_; }

 private:
  enum class State : std::uint8_t { kIdle, kPayload, kEscape, kChecksumHigh, kChecksumLow };
  void begin();
  void take(char byte);

  State state_ = State::kIdle;
  std::string payload_;
  std::uint8_t sum_ = 0;
  int high_ = -1;  // first digit of the checksum; -1: none
  bool too_long_ = false;
};

// The packet with this payload, escapes made.
std::string frame(std::string_view payload);

// "6162" for "ab", and back; nothing for an odd count or other characters.
std::string to_hex(std::span<const std::byte> bytes);
std::string to_hex(std::string_view bytes);
std::optional<std::string> from_hex(std::string_view hex);
// The value of a hexadecimal digit; -1.
int hex_digit(char c);
// The bytes of a number, lowest first, in hexadecimal: how registers travel.
std::string little_endian_hex(std::uint64_t value, unsigned bytes);

// Reads a packet's payload from front to back. Every take_* leaves the text as it is on failure.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  [[nodiscard]] std::string_view rest() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  bool take(std::string_view literal);
  // A hexadecimal number of 1 to 16 digits.
  std::optional<std::uint64_t> take_hex();
  // All up to the separator, which is taken too; all there is where it does not come.
  std::string_view take_until(char separator);

 private:
  std::string_view text_;
};

}  // namespace faultline::vmm::gdb

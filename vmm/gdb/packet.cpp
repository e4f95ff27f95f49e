#include "vmm/gdb/packet.hpp"

namespace faultline::vmm::gdb {
namespace {

constexpr char kBegin = '$', kEnd = '#', kEscape = '}', kInterrupt = '\x03';
constexpr char kEscapeBit = 0x20;
constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void PacketReader::begin() {
  state_ = State::kPayload;
  payload_.clear();
  sum_ = 0;
  too_long_ = false;
}

void PacketReader::take(char byte) {
  if (payload_.size() == kMaxPayload) {
    too_long_ = true;
  } else {
    payload_.push_back(byte);
  }
}

std::optional<Incoming> PacketReader::feed(char byte) {
  switch (state_) {
    case State::kIdle:
      if (byte == kBegin) begin();
      if (byte == kInterrupt) return Incoming::kInterrupt;
      if (byte == '+') return Incoming::kAck;
      if (byte == '-') return Incoming::kNack;
      return std::nullopt;
    case State::kPayload:
    case State::kEscape:
      if (byte == kBegin) {  // the one before was never finished
        begin();
        return std::nullopt;
      }
      if (byte == kEnd) {
        state_ = State::kChecksumHigh;
        return std::nullopt;
      }
      sum_ = static_cast<std::uint8_t>(sum_ + static_cast<std::uint8_t>(byte));
      if (state_ == State::kEscape) {
        take(static_cast<char>(byte ^ kEscapeBit));
        state_ = State::kPayload;
      } else if (byte == kEscape) {
        state_ = State::kEscape;
      } else {
        take(byte);
      }
      return std::nullopt;
    case State::kChecksumHigh:
      high_ = hex_digit(byte);
      state_ = State::kChecksumLow;
      return std::nullopt;
    case State::kChecksumLow: {
      state_ = State::kIdle;
      const int low = hex_digit(byte);
      const bool right = high_ >= 0 && low >= 0 && high_ * 16 + low == sum_;
      return right && !too_long_ ? Incoming::kPacket : Incoming::kDamaged;
    }
  }
  return std::nullopt;
}

std::string frame(std::string_view payload) {
  std::string out(1, kBegin);
  out.reserve(payload.size() + 4);
  std::uint8_t sum = 0;
  const auto add = [&](char c) {
    out.push_back(c);
    sum = static_cast<std::uint8_t>(sum + static_cast<std::uint8_t>(c));
  };
  for (const char c : payload) {
    if (c == kBegin || c == kEnd || c == kEscape || c == '*') {  // '*' would mean a run
      add(kEscape);
      add(static_cast<char>(c ^ kEscapeBit));
    } else {
      add(c);
    }
  }
  out.push_back(kEnd);
  out.push_back(kDigits[sum >> 4]);
  out.push_back(kDigits[sum & 15]);
  return out;
}

std::string to_hex(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    out.push_back(kDigits[std::to_integer<unsigned>(b) >> 4]);
    out.push_back(kDigits[std::to_integer<unsigned>(b) & 15]);
  }
  return out;
}

std::string to_hex(std::string_view bytes) { return to_hex(std::as_bytes(std::span(bytes))); }

std::optional<std::string> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return out;
}

std::string little_endian_hex(std::uint64_t value, unsigned bytes) {
  std::string out;
  for (unsigned i = 0; i < bytes; ++i) {
    const auto byte = static_cast<unsigned>(value >> (8 * i)) & 0xff;
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

bool Scanner::take(std::string_view literal) {
  if (!text_.starts_with(literal)) return false;
  text_.remove_prefix(literal.size());
  return true;
}

std::optional<std::uint64_t> Scanner::take_hex() {
  constexpr std::size_t kMaxDigits = 16;
  std::uint64_t value = 0;
  std::size_t digits = 0;
  while (digits < text_.size() && hex_digit(text_[digits]) >= 0) {
    if (digits == kMaxDigits) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(hex_digit(text_[digits++]));
  }
  if (digits == 0) return std::nullopt;
  text_.remove_prefix(digits);
  return value;
}

std::string_view Scanner::take_until(char separator) {
  const std::size_t at = text_.find(separator);
  const std::string_view taken = text_.substr(0, at);
  text_.remove_prefix(at == std::string_view::npos ? text_.size() : at + 1);
  return taken;
}

}  // namespace faultline::vmm::gdb

#include "vmm/fuzz/campaign/messages.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace faultline::vmm::fuzz {

namespace {

struct Header {
  std::uint16_t length;
  Message kind;
  std::uint8_t zero;
};
// pipe(7): what is no longer than PIPE_BUF is written whole.
constexpr std::size_t kMaxPayload = PIPE_BUF - sizeof(Header);

}  // namespace

void MessageWriter::send(Message kind, std::span<const std::byte> bytes) const {
  std::array<std::byte, PIPE_BUF> buffer;
  const Header header{static_cast<std::uint16_t>(bytes.size()), kind, 0};
  std::memcpy(buffer.data(), &header, sizeof(header));
  std::ranges::copy(bytes, buffer.begin() + sizeof(header));
  ssize_t n = 0;
  do n = ::write(fd_, buffer.data(), sizeof(header) + bytes.size());
  while (n < 0 && errno == EINTR);
}

void MessageWriter::features(std::span<const std::uint32_t> features) const {
  constexpr std::size_t kMost = kMaxPayload / sizeof(std::uint32_t);
  while (!features.empty()) {
    const auto part = features.first(std::min(features.size(), kMost));
    send(Message::kFeatures, std::as_bytes(part));
    features = features.subspan(part.size());
  }
}

void MessageWriter::text(Message kind, std::string_view text) const {
  send(kind, std::as_bytes(std::span(text.substr(0, kMaxPayload))));
}

void MessageReader::drain(const Handler& handler) {
  std::array<std::byte, 16 * PIPE_BUF> chunk;
  for (;;) {
    const ssize_t n = ::read(fd_, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    buffer_.insert(buffer_.end(), chunk.begin(), chunk.begin() + n);
  }
  std::size_t at = 0;
  while (buffer_.size() - at >= sizeof(Header)) {
    Header header;
    std::memcpy(&header, buffer_.data() + at, sizeof(header));
    if (buffer_.size() - at < sizeof(header) + header.length) break;
    handler(header.kind, std::span(buffer_).subspan(at + sizeof(header), header.length));
    at += sizeof(header) + header.length;
  }
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace faultline::vmm::fuzz

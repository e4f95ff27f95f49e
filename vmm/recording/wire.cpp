#include "vmm/recording/wire.hpp"

#include <algorithm>
#include <cstring>

namespace faultline::vmm::recording {

void put_varint(Bytes& to, std::uint64_t value) {
  while (value >= 0x80) {
    to.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  to.push_back(static_cast<std::uint8_t>(value));
}

void Out::clear() {
  bytes_.clear();
  interned_.clear();
}

void Out::raw(std::span<const std::byte> data) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(data.data());
  bytes_.insert(bytes_.end(), first, first + data.size());
}

void Out::text(std::string_view value) {
  interned([value](Out& out) { out.raw(std::as_bytes(std::span(value))); });
}

// The bytes from `start` on become their number, which for new ones is followed by them.
void Out::intern(std::size_t start) {
  key_.assign(reinterpret_cast<const char*>(bytes_.data()) + start, bytes_.size() - start);
  bytes_.resize(start);
  const auto [known, fresh] = interned_.try_emplace(key_, interned_.size());
  number(known->second);
  if (!fresh) return;
  number(key_.size());
  raw(std::as_bytes(std::span(key_)));
}

void In::byte(std::uint8_t& value) {
  value = 0;
  require(at_ < bytes_.size());
  if (good_) value = bytes_[at_++];
}

std::uint64_t In::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; good_ && shift < 64; shift += 7) {
    std::uint8_t part = 0;
    byte(part);
    if (shift == 63) require(part <= 1);
    value |= static_cast<std::uint64_t>(part & 0x7f) << shift;
    if (part < 0x80) return good_ ? value : 0;
  }
  good_ = false;
  return 0;
}

void In::raw(std::span<std::byte> data) {
  require(data.size() <= bytes_.size() - at_);
  if (!good_) return;
  std::memcpy(data.data(), bytes_.data() + at_, data.size());
  at_ += data.size();
}

std::span<const std::uint8_t> In::interned_bytes() {
  const std::uint64_t number = varint();
  if (number < interned_.size()) return interned_[number];
  const std::uint64_t size = varint();
  require(number == interned_.size() && size <= bytes_.size() - at_);
  if (!good_) return {};
  const auto fresh = bytes_.subspan(at_, size);
  at_ += size;
  interned_.push_back(fresh);
  return fresh;
}

std::string_view In::text_view() {
  const auto bytes = interned_bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void In::count(std::size_t& n, std::size_t most) {
  n = varint();
  require(n <= most && n <= bytes_.size() - at_);
  if (!good_) n = 0;
}

}  // namespace faultline::vmm::recording

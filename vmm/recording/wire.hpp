// Numbers as they stand in a frame: variable-length integers, differences, and byte strings that
// are written once a frame and named by number afterwards. Out writes and In reads; both have the
// same functions, so that each kind of event is described once for both (fields.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace faultline::vmm::recording {

using Bytes = std::vector<std::uint8_t>;

// Differences of either sign as small numbers: 0, -1, 1, -2, ...
constexpr std::uint64_t zigzag(std::uint64_t difference) { return (difference << 1) ^ (0 - (difference >> 63)); }
constexpr std::uint64_t unzigzag(std::uint64_t coded) { return (coded >> 1) ^ (0 - (coded & 1)); }

// Seven bits a byte, low ones first, bit 7 set in all but the last.
void put_varint(Bytes& to, std::uint64_t value);

class Out {
 public:
  static constexpr bool kWrites = true;

  void clear();
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

  void byte(std::uint8_t value) { bytes_.push_back(value); }
  void number(std::uint64_t value) { put_varint(bytes_, value); }
  template <class Small>
  void small(Small value) {
    number(static_cast<std::uint64_t>(value));
  }
  // The difference to `reference`, modulo 2^64.
  void difference(std::uint64_t value, std::uint64_t reference) { number(zigzag(value - reference)); }
  void raw(std::span<const std::byte> data);
  void text(std::string_view value);  // interned
  // How many elements follow.
  void count(std::size_t n, std::size_t) { number(n); }
  // What `fields` writes to another Out is written once a frame.
  template <class Fields>
  void interned(Fields fields) {
    const std::size_t start = bytes_.size();
    fields(*this);
    intern(start);
  }
  [[nodiscard]] bool good() const { return true; }
  void require(bool) {}

 private:
  void intern(std::size_t start);

  Bytes bytes_;
  std::string key_;  // scratch
  std::unordered_map<std::string, std::uint64_t> interned_;
};

// Reads hostile bytes: anything that makes no sense ends it, good() says so, and zeroes follow.
class In {
 public:
  static constexpr bool kWrites = false;

  In() = default;
  explicit In(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }
  void require(bool condition) { good_ = good_ && condition; }

  void byte(std::uint8_t& value);
  void number(std::uint64_t& value) { value = varint(); }
  // A number that has to fit.
  template <class Small>
  void small(Small& value) {
    const std::uint64_t read = varint();
    value = static_cast<Small>(read);
    require(static_cast<std::uint64_t>(value) == read);
  }
  void difference(std::uint64_t& value, std::uint64_t reference) { value = unzigzag(varint()) + reference; }
  void raw(std::span<std::byte> data);
  void text(std::string& value) { value = text_view(); }
  [[nodiscard]] std::string_view text_view();
  // At most `most`, and never more than there are bytes left: each element takes one at least.
  void count(std::size_t& n, std::size_t most);
  template <class Fields>
  void interned(Fields fields) {
    In part(interned_bytes());
    fields(part);
    require(part.good_ && part.at_end());
  }

 private:
  std::uint64_t varint();
  std::span<const std::uint8_t> interned_bytes();

  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  bool good_ = true;
  std::vector<std::span<const std::uint8_t>> interned_;
};

}  // namespace faultline::vmm::recording

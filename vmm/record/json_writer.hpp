// Writes JSON into a buffer: numbers, quoted hexadecimal and strings, with the commas. It is as
// fast as what a fault record may cost, and checks nothing: the caller balances begin and end.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace faultline::vmm {

class JsonWriter {
 public:
  explicit JsonWriter(fmt::memory_buffer& out) : out_(out) {}

  // Keys are our own: plain ASCII, not escaped.
  JsonWriter& key(std::string_view name) {
    comma();
    out_.push_back('"');
    append(name);
    append("\":");
    fresh_ = true;
    return *this;
  }
  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }

  void null() { plain("null"); }
  void boolean(bool v) { plain(v ? "true" : "false"); }
  template <class T>
  void number(T v) {
    const fmt::format_int digits(v);
    plain({digits.data(), digits.size()});
  }
  // A count of thousandths: 1234567 is written 1234.567.
  void thousandths(std::uint64_t v);
  // A value that is JSON already.
  void raw(std::string_view json) { plain(json); }
  // "0x1f": a string, because a JSON number keeps 53 bits only.
  void hex(std::uint64_t v);
  // "c3f4": bytes, each of two digits.
  void bytes(std::span<const std::uint8_t> bytes);
  // Escapes what must be; bytes that are no UTF-8 become U+FFFD.
  void string(std::string_view text);

 private:
  void append(std::string_view s) { out_.append(s.data(), s.data() + s.size()); }
  void comma() {
    if (!fresh_) out_.push_back(',');
    fresh_ = false;
  }
  void plain(std::string_view s) {
    comma();
    append(s);
  }
  void open(char c) {
    comma();
    out_.push_back(c);
    fresh_ = true;
  }
  void close(char c) {
    out_.push_back(c);
    fresh_ = false;
  }

  fmt::memory_buffer& out_;
  bool fresh_ = true;  // nothing before that would need a comma
};

}  // namespace faultline::vmm

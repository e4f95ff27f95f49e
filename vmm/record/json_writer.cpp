#include "vmm/record/json_writer.hpp"

#include "vmm/record/printable.hpp"

namespace faultline::vmm {

namespace {
constexpr char kHexDigits[] = "0123456789abcdef";

// Neither escaped nor part of a longer sequence.
constexpr bool is_plain(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u >= 0x20 && u < 0x7f && c != '"' && c != '\\';
}
}  // namespace

void JsonWriter::thousandths(std::uint64_t v) {
  number(v / 1000);
  const std::uint64_t rest = v % 1000;
  const char digits[] = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                         static_cast<char>('0' + rest % 10)};
  append({digits, sizeof digits});
}

void JsonWriter::hex(std::uint64_t v) {
  char text[20];
  char* p = text + sizeof text;
  *--p = '"';
  do {
    *--p = kHexDigits[v & 15];
    v >>= 4;
  } while (v != 0);
  *--p = 'x';
  *--p = '0';
  *--p = '"';
  plain({p, static_cast<std::size_t>(text + sizeof text - p)});
}

void JsonWriter::bytes(std::span<const std::uint8_t> bytes) {
  comma();
  out_.push_back('"');
  for (const std::uint8_t b : bytes) {
    out_.push_back(kHexDigits[b >> 4]);
    out_.push_back(kHexDigits[b & 15]);
  }
  out_.push_back('"');
}

void JsonWriter::string(std::string_view text) {
  comma();
  out_.push_back('"');
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_plain(text[end])) ++end;
    append(text.substr(at, end - at));
    at = end;
    if (at == text.size()) break;
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) {
      const std::size_t n = utf8_length(text, at);
      append(n == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(at, n));
      at += n == 0 ? 1 : n;
      continue;
    }
    ++at;
    if (c == '"' || c == '\\') {
      out_.push_back('\\');
      out_.push_back(static_cast<char>(c));
    } else if (c == '\n') {
      append("\\n");
    } else {
      append("\\u00");
      out_.push_back(kHexDigits[c >> 4]);
      out_.push_back(kHexDigits[c & 15]);
    }
  }
  out_.push_back('"');
}

}  // namespace faultline::vmm

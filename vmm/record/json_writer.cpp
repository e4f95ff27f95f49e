#include "vmm/record/json_writer.hpp"

namespace faultline::vmm {

namespace {
constexpr char kHexDigits[] = "0123456789abcdef";
}

std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t n) { return n < text.size() ? static_cast<unsigned char>(text[n]) : 0U; };
  const unsigned lead = byte(at);
  const unsigned second = byte(at + 1);
  const auto follows = [&](std::size_t n) { return (byte(n) & 0xc0U) == 0x80U; };
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(at + 1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    // No overlong forms and no surrogates.
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) return 0;
    return follows(at + 1) && follows(at + 2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
    return follows(at + 1) && follows(at + 2) && follows(at + 3) ? 4 : 0;
  }
  return 0;
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

void JsonWriter::string(std::string_view text) {
  comma();
  out_.push_back('"');
  for (std::size_t at = 0; at < text.size();) {
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
    } else if (c < 0x20 || c == 0x7f) {
      append("\\u00");
      out_.push_back(kHexDigits[c >> 4]);
      out_.push_back(kHexDigits[c & 15]);
    } else {
      out_.push_back(static_cast<char>(c));
    }
  }
  out_.push_back('"');
}

}  // namespace faultline::vmm

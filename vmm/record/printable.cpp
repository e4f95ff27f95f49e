#include "vmm/record/printable.hpp"

namespace faultline::vmm {

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

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t n = utf8_length(text, at);
    // U+0080 to U+009F, which some terminals obey like escape sequences.
    const bool c1 = n == 2 && lead == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0;
    if (n == 0 || lead < 0x20 || lead == 0x7f || c1) {
      out += '?';
    } else {
      out += text.substr(at, n);
    }
    at += n == 0 ? 1 : n;
  }
  return out;
}

}  // namespace faultline::vmm

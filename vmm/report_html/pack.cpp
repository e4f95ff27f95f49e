#include "vmm/report_html/pack.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>

namespace faultline::vmm::report_html {

namespace {

constexpr int kWindowBits = 15;
constexpr int kMemoryLevel = 9;

// zlib counts in 32 bits.
uInt piece(std::size_t left) {
  return static_cast<uInt>(std::min<std::size_t>(left, std::numeric_limits<uInt>::max()));
}

}  // namespace

Result<std::string> deflate_raw(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, -kWindowBits, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK)
    return fail("cannot compress: zlib has no memory");
  std::string out;
  std::size_t taken = 0;
  for (int status = Z_OK; status != Z_STREAM_END;) {
    char buffer[64 << 10];
    const uInt given = piece(bytes.size() - taken);
    // zlib does not write through next_in; its interface says so with z_const only.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + taken));
    stream.avail_in = given;
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof buffer;
    status = deflate(&stream, taken + given == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
    taken += given - stream.avail_in;
    out.append(buffer, sizeof buffer - stream.avail_out);
  }
  deflateEnd(&stream);
  return out;
}

std::string base64(std::string_view bytes) {
  static constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t n = 0; n < 3; ++n)
      group = group << 8 | (n < count ? static_cast<unsigned char>(bytes[at + n]) : 0U);
    for (std::size_t n = 0; n < 4; ++n) out.push_back(n <= count ? kLetters[group >> (18 - 6 * n) & 63] : '=');
  }
  return out;
}

}  // namespace faultline::vmm::report_html

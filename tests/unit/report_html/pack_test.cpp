#include "vmm/report_html/pack.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

namespace faultline::vmm::report_html {
namespace {

std::string inflate_raw(std::string bytes, std::size_t size) {
  std::string out(size + 1, '\0');
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, -15), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0U);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(Deflate, InflatesToTheSame) {
  std::string large;
  for (unsigned n = 0; n < 300000; ++n) large.push_back(static_cast<char>(n * n >> 7));
  for (const std::string& bytes : {std::string(), std::string("a"), std::string(1000, '\0'), large}) {
    const auto packed = deflate_raw(bytes);
    ASSERT_TRUE(packed);
    EXPECT_EQ(inflate_raw(*packed, bytes.size()), bytes);
  }
  EXPECT_LT(deflate_raw(std::string(100000, 'x'))->size(), 1000U);
}

// RFC 4648, section 10.
TEST(Base64, AsInTheStandard) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

}  // namespace
}  // namespace faultline::vmm::report_html

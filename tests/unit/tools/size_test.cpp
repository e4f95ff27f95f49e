#include "tools/size.hpp"

#include <gtest/gtest.h>

namespace faultline::tools {
namespace {

using namespace std::chrono_literals;

TEST(Size, Sizes) {
  EXPECT_EQ(parse_size("4096"), 4096u);
  EXPECT_EQ(parse_size("64k"), 64u << 10);
  EXPECT_EQ(parse_size("512M"), 512u << 20);
  EXPECT_EQ(parse_size("2GiB"), 2ULL << 30);
  EXPECT_EQ(parse_size("1TB"), 1ULL << 40);
  for (const char* bad : {"", "M", "-1", "1.5G", "12X", "1GG", "1G ", " 1G", "99999999999999999999", "20000000T"})
    EXPECT_EQ(parse_size(bad), std::nullopt) << bad;
}

TEST(Size, Durations) {
  EXPECT_EQ(parse_duration("10"), 10s);
  EXPECT_EQ(parse_duration("0.5"), 500ms);
  EXPECT_EQ(parse_duration("200ms"), 200ms);
  EXPECT_EQ(parse_duration("2m"), 120s);
  EXPECT_EQ(parse_duration("1h"), 3600s);
  for (const char* bad : {"", "s", "-1", "nan", "inf", "1d", "1e300", "1 s"})
    EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
}

TEST(Size, Counts) {
  EXPECT_EQ(parse_count("0"), 0u);
  EXPECT_EQ(parse_count("18446744073709551615"), ~0ULL);
  for (const char* bad : {"", "-5", "+5", "5k", "0x5", " 5", "18446744073709551616"})
    EXPECT_EQ(parse_count(bad), std::nullopt) << bad;
}

TEST(Size, Addresses) {
  EXPECT_EQ(parse_address("0x401000"), 0x401000u);
  EXPECT_EQ(parse_address("0XfF"), 0xffu);
  EXPECT_EQ(parse_address("12"), 12u);
  EXPECT_EQ(parse_address("0xffffffffffffffff"), ~0ULL);
  for (const char* bad : {"", "0x", "401000h", "0x1g", "-1", "0x10000000000000000"})
    EXPECT_EQ(parse_address(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace faultline::tools

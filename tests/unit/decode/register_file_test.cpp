#include "vmm/decode/register_file.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace faultline::vmm::decode {
namespace {

std::vector<std::byte> area_with(std::uint8_t xstate_bv, std::size_t bytes) {
  std::vector<std::byte> area(bytes);
  if (bytes > 512) area[512] = std::byte{xstate_bv};
  for (std::size_t n = 160; n < 416 && n < bytes; ++n) area[n] = std::byte(n);
  for (std::size_t n = 576; n < 832 && n < bytes; ++n) area[n] = std::byte(n + 1);
  return area;
}

TEST(VectorsFromXsave, TakesBothHalves) {
  const auto v = vectors_from_xsave(area_with(7, 832));
  ASSERT_TRUE(v);
  EXPECT_EQ(v->ymm[0][0], std::byte(160));
  EXPECT_EQ(v->ymm[15][15], std::byte(160 + 255 - 256));
  EXPECT_EQ(v->ymm[0][16], std::byte(577 - 512));
  EXPECT_EQ(v->ymm[15][31], std::byte((576 + 255 + 1) & 255));
}

TEST(VectorsFromXsave, ComponentsInInitialStateAreZero) {
  const auto none = vectors_from_xsave(area_with(1, 832));
  ASSERT_TRUE(none);
  EXPECT_EQ(none->ymm[1][0], std::byte{0});
  EXPECT_EQ(none->ymm[1][16], std::byte{0});
  const auto sse = vectors_from_xsave(area_with(2, 576));
  ASSERT_TRUE(sse);
  EXPECT_EQ(sse->ymm[1][0], std::byte(176));
  EXPECT_EQ(sse->ymm[1][16], std::byte{0});
}

TEST(VectorsFromXsave, RefusesAnAreaShorterThanItClaims) {
  EXPECT_FALSE(vectors_from_xsave(area_with(7, 831)));
  EXPECT_FALSE(vectors_from_xsave(area_with(0, 575)));
  EXPECT_FALSE(vectors_from_xsave({}));
}

}  // namespace
}  // namespace faultline::vmm::decode

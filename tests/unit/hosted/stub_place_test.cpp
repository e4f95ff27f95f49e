#include "vmm/hosted/stub_place.hpp"

#include <gtest/gtest.h>

namespace faultline::vmm::hosted {
namespace {

TEST(StubPlace, OverlapsWhatTouchesIt) {
  const StubPlace place{Gva(0x2000'0000'0000)};
  EXPECT_TRUE(place.overlaps(place.start, place.start + 1));
  EXPECT_TRUE(place.overlaps(place.end() - 1, place.end()));
  EXPECT_TRUE(place.overlaps(Gva(0), Gva(0x7fff'ffff'f000)));
  EXPECT_FALSE(place.overlaps(place.end(), place.end() + 1));
  EXPECT_FALSE(place.overlaps(place.start - 1, place.start));
}

TEST(FindPlace, IsPageAlignedAndAnotherEachTime) {
  const auto anywhere = [](Gva, Gva) { return true; };
  const auto a = find_place(anywhere), b = find_place(anywhere);
  ASSERT_TRUE(a && b);
  EXPECT_TRUE(a->start.page_aligned());
  EXPECT_NE(a->start, b->start);
}

TEST(FindPlace, KeepsItsDistanceWhereItCan) {
  unsigned asked = 0;
  Gva from, to;
  const auto place = find_place([&](Gva start, Gva end) {
    from = start, to = end;
    return ++asked == 3;
  });
  ASSERT_TRUE(place);
  EXPECT_EQ(asked, 3U);
  EXPECT_EQ(place->start - from, 1ULL << 30);
  EXPECT_EQ(to - place->end(), 1ULL << 30);
  const auto narrow = find_place([](Gva start, Gva end) { return end - start == FLH_REGION_BYTES; });
  EXPECT_TRUE(narrow);
}

TEST(FindPlace, NoRoomIsNoPlace) {
  EXPECT_FALSE(find_place([](Gva, Gva) { return false; }));
}

}  // namespace
}  // namespace faultline::vmm::hosted

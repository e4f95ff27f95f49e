#include "vmm/hosted/mappings.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>

namespace faultline::vmm::hosted {
namespace {

constexpr int kRead = 1, kReadWrite = 3;

TEST(Mappings, NeighboursWithNeighbouringFramesMerge) {
  Mappings m;
  m.add({Vpn(10), 1}, Gfn(100), kRead);
  m.add({Vpn(12), 1}, Gfn(102), kRead);
  EXPECT_EQ(m.count(), 2U);
  m.add({Vpn(11), 1}, Gfn(101), kRead);
  EXPECT_EQ(m.count(), 1U);
  EXPECT_TRUE(m.has(Vpn(12), Gfn(102), kRead));
}

TEST(Mappings, OtherFramesAndOtherRightsDoNot) {
  Mappings m;
  m.add({Vpn(10), 1}, Gfn(100), kRead);
  m.add({Vpn(11), 1}, Gfn(200), kRead);
  m.add({Vpn(12), 1}, Gfn(201), kReadWrite);
  EXPECT_EQ(m.count(), 3U);
  EXPECT_FALSE(m.has(Vpn(12), Gfn(201), kRead));
  EXPECT_FALSE(m.has(Vpn(13), Gfn(202), kReadWrite));
}

TEST(Mappings, RemovingTheMiddleSplits) {
  Mappings m;
  m.add({Vpn(10), 10}, Gfn(100), kRead);
  EXPECT_TRUE(m.remove(Vpn(14), Vpn(15)));
  EXPECT_EQ(m.count(), 2U);
  EXPECT_TRUE(m.has(Vpn(13), Gfn(103), kRead));
  EXPECT_FALSE(m.has(Vpn(14), Gfn(104), kRead));
  EXPECT_TRUE(m.has(Vpn(15), Gfn(105), kRead));
  EXPECT_FALSE(m.remove(Vpn(14), Vpn(15)));
  EXPECT_FALSE(m.remove(Vpn(5), Vpn(5)));
}

TEST(Mappings, TheOlderHalfIsWhatWasChangedLongestAgo) {
  Mappings m;
  for (std::uint64_t i = 0; i < 10; ++i) m.add({Vpn(i * 2), 1}, Gfn(i * 7), kRead);
  m.add({Vpn(0), 1}, Gfn(0), kRead);  // the oldest is the newest now
  const auto taken = m.take_older_half();
  EXPECT_EQ(taken.size(), 5U);
  EXPECT_EQ(taken.front(), (Mappings::Pages{Vpn(2), 1}));
  EXPECT_EQ(m.count(), 5U);
  EXPECT_TRUE(m.has(Vpn(0), Gfn(0), kRead));
  EXPECT_TRUE(Mappings().take_older_half().empty());
}

// Against an array of pages: every operation, many times over.
TEST(Mappings, AgreeWithAnArrayOfPages) {
  constexpr std::uint64_t kPages = 64;
  struct Page {
    std::uint64_t frame;
    int protection;
    bool operator==(const Page&) const = default;
  };
  std::array<std::optional<Page>, kPages> model;
  Mappings m;
  std::uint64_t state = 88172645463325252U;
  const auto random = [&state](std::uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
  };
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t first = random(kPages);
    const std::uint64_t count = 1 + random(std::min<std::uint64_t>(8, kPages - first));
    if (random(3) == 0) {
      bool any = false;
      for (std::uint64_t p = first; p < first + count; ++p) {
        any = any || model.at(p).has_value();
        model.at(p).reset();
      }
      ASSERT_EQ(m.remove(Vpn(first), Vpn(first + count)), any);
    } else {
      const std::uint64_t frame = first + 1000 * random(2);
      const int protection = random(4) == 0 ? kReadWrite : kRead;
      for (std::uint64_t i = 0; i < count; ++i) model.at(first + i) = Page{frame + i, protection};
      m.add({Vpn(first), count}, Gfn(frame), protection);
    }
    std::size_t ranges = 0;
    for (std::uint64_t p = 0; p < kPages; ++p) {
      const auto& page = model.at(p);
      if (!page) continue;
      ASSERT_TRUE(m.has(Vpn(p), Gfn(page->frame), page->protection));
      const auto& before = p > 0 ? model.at(p - 1) : std::nullopt;
      if (!before || before->frame + 1 != page->frame || before->protection != page->protection) ++ranges;
    }
    ASSERT_EQ(m.count(), ranges) << "merged as the kernel merges";
  }
}

}  // namespace
}  // namespace faultline::vmm::hosted

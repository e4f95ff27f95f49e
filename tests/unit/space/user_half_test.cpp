// What is given to the guest is claimed from the machine first.
#include "mmu/ports/user_half.hpp"

#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

// Keeps one page for itself, in a place that moves up by a gigabyte when it is in the way.
class OnePage final : public UserHalf {
 public:
  bool make_way(Gva start, Gva end, const IsFree& is_free) override {
    claims.emplace_back(start, end);
    if (at + kPageSize <= start || at >= end) return true;
    const Gva next = at + (1ULL << 30);
    if (next < end || !is_free(next, next + kPageSize)) return false;
    at = next;
    return true;
  }
  Gva at{0x20'0000'0000};
  std::vector<std::pair<Gva, Gva>> claims;
};

class UserHalfTest : public testing::SpaceTest {
 protected:
  void SetUp() override {
    world.env.user_half = &half_;
    SpaceTest::SetUp();
    mm->mmap_base = Gva(0x7fff'f7ff'f000);
  }
  OnePage half_;
};

TEST_F(UserHalfTest, AFixedMappingMakesItMove) {
  const Gva before = half_.at;
  map_at(before.raw() - kPageSize, 3);
  EXPECT_EQ(half_.at, before + (1ULL << 30));
}

TEST_F(UserHalfTest, NowhereToGoIsNoMemory) {
  const Gva before = half_.at;
  map_at((before + (1ULL << 30)).raw(), 1);
  const auto refused = map(before.raw(), kPageSize, kRw, kAnon | MAP_FIXED);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().value(), ENOMEM);
  EXPECT_EQ(half_.at, before);
  check();
}

TEST_F(UserHalfTest, EveryKindOfPlacementIsAClaim) {
  ASSERT_TRUE(map(0, 2 * kPageSize, kRw, kAnon));
  ASSERT_EQ(half_.claims.size(), 1U);
  EXPECT_EQ(half_.claims.back().second, mm->mmap_base);
  mm->start_brk = mm->brk = half_.at - kPageSize;
  do_brk(*mm, (half_.at + kPageSize).raw());
  EXPECT_EQ(mm->brk, Gva(0x20'0000'0000 + kPageSize));
  EXPECT_NE(half_.at, Gva(0x20'0000'0000));
  map_at(0x30'0000'0000, 1);
  half_.at = Gva(0x30'0000'0000 + kPageSize);
  ASSERT_TRUE(do_mremap(*mm, 0x30'0000'0000, kPageSize, 2 * kPageSize, 0, 0));
  EXPECT_NE(half_.at, Gva(0x30'0000'0000 + kPageSize));
}

// What lies below a stack is the guest's as soon as it touches it, and that may be without a fault.
TEST_F(UserHalfTest, TheRoomOfAStackIsClaimedWithIt) {
  const std::uint64_t top = half_.at.raw() + mm->limits.stack;
  map_at(top - kPageSize, 1, kRw, kAnon | MAP_GROWSDOWN);
  EXPECT_NE(half_.at, Gva(0x20'0000'0000));
}

}  // namespace
}  // namespace faultline::mmu

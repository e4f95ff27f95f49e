#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

class Brk : public testing::SpaceTest {
 protected:
  void SetUp() override {
    SpaceTest::SetUp();
    mm->start_brk = mm->brk = Gva(page(0));
  }
  std::uint64_t set(std::uint64_t address) {
    const std::uint64_t result = do_brk(*mm, address).raw();
    check();
    return result;
  }
};

TEST_F(Brk, GrowsAndShrinksByTheByte) {
  EXPECT_EQ(set(0), page(0));
  EXPECT_EQ(set(page(0) + 100), page(0) + 100);
  EXPECT_EQ(layout(), "0-1 rw-p");
  EXPECT_EQ(mm->vmas.begin()->second.name, "[heap]");
  EXPECT_EQ(set(page(3) + 1), page(3) + 1);
  EXPECT_EQ(layout(), "0-4 rw-p");
  EXPECT_EQ(mm->data_vm, 4U);
  EXPECT_EQ(set(page(1)), page(1));
  EXPECT_EQ(layout(), "0-1 rw-p");
  EXPECT_EQ(set(page(0) - 1), page(1));  // not below its start
  EXPECT_EQ(set(page(0)), page(0));
  EXPECT_EQ(mm->vmas.size(), 0U);
}

TEST_F(Brk, DoesNotJoinTheDataSegmentBelow) {
  map_at(page(0) - kPageSize, 1);
  set(page(1));
  EXPECT_EQ(mm->vmas.size(), 2U);
  set(page(2));
  EXPECT_EQ(mm->vmas.size(), 2U);
}

TEST_F(Brk, KeepsAPageToWhatLiesAbove) {
  map_at(page(4), 1);
  EXPECT_EQ(set(page(4)), page(0));
  EXPECT_EQ(set(page(3)), page(3));
  EXPECT_EQ(set(page(5)), page(3));
}

TEST_F(Brk, KeepsTheGuardGapToAStack) {
  map_at(page(300), 1, kRw, kAnon | MAP_GROWSDOWN);
  EXPECT_EQ(set(page(44)), page(0));
  EXPECT_EQ(set(page(43)), page(43));
}

TEST_F(Brk, LimitsAndAbsurdAddresses) {
  mm->limits.data = 2 * kPageSize;
  EXPECT_EQ(set(page(3)), page(0));
  EXPECT_EQ(set(page(2)), page(2));
  mm->limits.data = ~0ULL;
  mm->limits.address_space = 3 * kPageSize;
  EXPECT_EQ(set(page(4)), page(2));
  mm->limits.address_space = ~0ULL;
  mm->limits.commit_pages = 1 << 20;
  EXPECT_EQ(set(0x7ffffffff000), page(2));  // more than there is
  mm->limits.commit_pages = ~0ULL;
  EXPECT_EQ(set(0x7fffffffffff), page(2));
  EXPECT_EQ(set(~0ULL), page(2));
  EXPECT_EQ(set(~0ULL - kPageSize), page(2));
}

TEST_F(Brk, ShrunkMemoryComesBackZeroed) {
  set(page(2));
  write_at(page(1));
  byte_at(page(1)) = std::byte{1};
  set(page(1));
  set(page(2));
  write_at(page(1));
  EXPECT_EQ(byte_at(page(1)), std::byte{0});
}

TEST_F(Brk, AMappingInTheHeapIsNotTheHeap) {
  set(page(4));
  ASSERT_TRUE(do_munmap(*mm, page(2), 2 * kPageSize));
  EXPECT_EQ(set(page(3)), page(4));  // nothing is left there to shrink
  EXPECT_EQ(set(page(6)), page(6));
  EXPECT_EQ(layout(), "0-2 rw-p 4-6 rw-p");
}

}  // namespace
}  // namespace faultline::mmu

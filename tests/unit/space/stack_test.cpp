#include "mmu/space/stack.hpp"

#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;

class Stack : public testing::SpaceTest {
 protected:
  static constexpr std::uint64_t kStackPage = 4096;  // the stack's first page
  void SetUp() override {
    SpaceTest::SetUp();
    map_at(page(kStackPage), 4, kRw, kAnon | MAP_GROWSDOWN);
  }
  FaultResult touch(std::uint64_t n) {
    const FaultResult result = access(page(n), true).result;
    check();
    return result;
  }
};

TEST_F(Stack, GrowsByAnyDistanceWithinTheLimit) {
  EXPECT_EQ(touch(kStackPage - 1000), FaultResult::kResolved);
  EXPECT_EQ(layout(), "3096-4100 rw-p");
  EXPECT_EQ(mm->stack_vm, 1004U);
  EXPECT_EQ(mm->total_vm, 1004U);
}

TEST_F(Stack, StopsAtItsLimit) {
  mm->limits.stack = 8 * kPageSize;
  EXPECT_EQ(touch(kStackPage - 5), FaultResult::kSegvMapErr);
  EXPECT_EQ(touch(kStackPage - 4), FaultResult::kResolved);
  mm->limits.stack = 100 * kPageSize;
  mm->limits.address_space = 9 * kPageSize;
  EXPECT_EQ(touch(kStackPage - 6), FaultResult::kSegvMapErr);
}

TEST_F(Stack, KeepsTheGuardGapToAccessibleMemory) {
  map_at(page(3000), 1);
  EXPECT_EQ(touch(3001 + 255), FaultResult::kSegvMapErr);
  EXPECT_EQ(touch(3001 + 256), FaultResult::kResolved);
}

TEST_F(Stack, InaccessibleNeighboursDoNotCount) {
  map_at(page(3000), 1, PROT_NONE);
  EXPECT_EQ(touch(3001), FaultResult::kResolved);
  EXPECT_EQ(layout(), "3000-3001 ---p 3001-4100 rw-p");
}

TEST_F(Stack, LockedStackCountsAndIsLimited) {
  ASSERT_TRUE(do_mlock(*mm, page(kStackPage), 4 * kPageSize, false));
  mm->limits.memlock = 6 * kPageSize;
  EXPECT_EQ(touch(kStackPage - 3), FaultResult::kSegvMapErr);
  EXPECT_EQ(touch(kStackPage - 2), FaultResult::kResolved);
  EXPECT_EQ(mm->locked_vm, 6U);
}

TEST_F(Stack, NotBelowTheLowestAddress) {
  map_at(0x20000, 1, kRw, kAnon | MAP_GROWSDOWN);
  Vma& low = *mm->vmas.lookup(Gva(0x20000));
  EXPECT_EQ(errno_of(expand_stack(*mm, low, Gva(0xf000))), EPERM);
  EXPECT_EQ(errno_of(expand_stack(*mm, low, Gva(0x10123))), 0);
  EXPECT_EQ(low.start, Gva(0x10000));
}

}  // namespace
}  // namespace faultline::mmu

#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;

class Mlock : public testing::SpaceTest {
 protected:
  int lock(std::uint64_t address, std::uint64_t pages, bool on_fault = false) {
    const auto result = do_mlock(*mm, address, pages * kPageSize, on_fault);
    check();
    return errno_of(result);
  }
};

TEST_F(Mlock, FaultsInAndCounts) {
  map_at(page(0), 4);
  EXPECT_EQ(lock(page(1), 2), 0);
  EXPECT_EQ(layout(), "0-1 rw-p 1-3 rw-p 3-4 rw-p");
  EXPECT_EQ(mm->locked_vm, 2U);
  EXPECT_EQ(mm->rss.total(), 2U);
  EXPECT_EQ(lock(page(1), 2), 0);
  EXPECT_EQ(mm->locked_vm, 2U);
  ASSERT_TRUE(do_munlock(*mm, page(0), 4 * kPageSize));
  EXPECT_EQ(layout(), "0-4 rw-p");
  EXPECT_EQ(mm->locked_vm, 0U);
}

TEST_F(Mlock, OnFaultWaitsForTheFault) {
  map_at(page(0), 2);
  EXPECT_EQ(lock(page(0), 2, true), 0);
  EXPECT_EQ(mm->rss.total(), 0U);
  EXPECT_EQ(mm->locked_vm, 2U);
}

TEST_F(Mlock, PopulatesOnlyThePartOfAMergedArea) {
  map_at(page(0), 2);
  EXPECT_EQ(lock(page(0), 1, true), 0);
  EXPECT_EQ(lock(page(1), 1, true), 0);
  ASSERT_TRUE(do_munlock(*mm, page(0), 2 * kPageSize));
  EXPECT_EQ(lock(page(0), 1), 0);
  EXPECT_EQ(lock(page(1), 1), 0);
  EXPECT_EQ(layout(), "0-2 rw-p");
  EXPECT_EQ(mm->rss.total(), 2U);
}

TEST_F(Mlock, LimitsAndRights) {
  map_at(page(0), 4);
  mm->limits.memlock = 2 * kPageSize;
  EXPECT_EQ(lock(page(0), 3), ENOMEM);
  EXPECT_EQ(lock(page(0), 2), 0);
  EXPECT_EQ(lock(page(0), 2), 0);  // what is locked already does not count twice
  EXPECT_EQ(lock(page(1), 2), ENOMEM);
  mm->limits.memlock = 0;
  EXPECT_EQ(lock(page(0), 1), EPERM);
  mm->limits.may_lock_without_limit = true;
  EXPECT_EQ(lock(page(0), 4), 0);
}

TEST_F(Mlock, NoPageToLockIsNoMemory) {
  map_at(page(0), 1, PROT_NONE);
  EXPECT_EQ(lock(page(0), 1), ENOMEM);
  map_file_at(page(2), 2, world.file(FileKind::kShmem, kPageSize), PROT_READ, MAP_SHARED);
  EXPECT_EQ(lock(page(2), 2), ENOMEM);
  EXPECT_EQ(mm->locked_vm, 3U);  // locked all the same
}

TEST_F(Mlock, FramesRunOut) {
  map_at(page(0), 2);
  world.frames.fail_nth(1);
  EXPECT_EQ(lock(page(0), 2), EAGAIN);
  world.frames.fail_nth(0);
}

TEST_F(Mlock, AllOfItNowAndLater) {
  map_at(page(0), 2);
  map_at(page(4), 1, PROT_READ);
  ASSERT_TRUE(do_mlockall(*mm, MCL_CURRENT | MCL_FUTURE));
  check();
  EXPECT_EQ(mm->locked_vm, 3U);
  EXPECT_EQ(mm->rss.total(), 2U);
  map_at(page(8), 2);
  EXPECT_EQ(mm->locked_vm, 5U);
  EXPECT_EQ(mm->rss.total(), 4U);
  mm->start_brk = mm->brk = Gva(page(100));
  EXPECT_EQ(do_brk(*mm, page(102)), Gva(page(102)));
  EXPECT_EQ(mm->rss.total(), 6U);
  ASSERT_TRUE(do_munlockall(*mm));
  EXPECT_EQ(mm->locked_vm, 0U);
  mm->limits.memlock = kPageSize;
  EXPECT_EQ(errno_of(do_mlockall(*mm, MCL_CURRENT)), ENOMEM);
  EXPECT_EQ(errno_of(do_mlockall(*mm, MCL_FUTURE)), 0);
  EXPECT_EQ(errno_of(map(0, 2 * kPageSize, kRw, kAnon)), EAGAIN);
}

}  // namespace
}  // namespace faultline::mmu

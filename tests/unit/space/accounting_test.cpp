#include "mmu/space/accounting.hpp"

#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;

class Accounting : public testing::SpaceTest {};

TEST_F(Accounting, CountsByKind) {
  map_at(page(0), 1, PROT_READ);
  map_at(page(2), 2, kRw);
  map_at(page(5), 4, kRw, MAP_SHARED | MAP_ANONYMOUS);
  map_at(page(10), 8, PROT_READ | PROT_EXEC);
  map_at(page(20), 16, kRw, kAnon | MAP_GROWSDOWN);
  EXPECT_EQ(mm->total_vm, 31U);
  EXPECT_EQ(mm->data_vm, 2U);
  EXPECT_EQ(mm->stack_vm, 16U);
  ASSERT_TRUE(do_munmap(*mm, page(0), 40 * kPageSize));
  EXPECT_EQ(mm->total_vm + mm->data_vm + mm->stack_vm, 0U);
}

TEST_F(Accounting, AddressSpaceLimitCountsWhatIsReplaced) {
  map_at(page(0), 8);
  mm->limits.address_space = 10 * kPageSize;
  EXPECT_EQ(errno_of(map(page(20), 3 * kPageSize, kRw, kAnon | MAP_FIXED)), ENOMEM);
  EXPECT_EQ(errno_of(map(page(6), 4 * kPageSize, PROT_READ, kAnon | MAP_FIXED)), 0);
  EXPECT_EQ(mm->total_vm, 10U);
}

// Linux has cut the old areas by then, and leaves them so.
TEST_F(Accounting, RefusedReplacementLeavesTheCuts) {
  map_at(page(0), 4);
  mm->limits.address_space = 4 * kPageSize;
  EXPECT_EQ(errno_of(map(page(2), 4 * kPageSize, kRw, kAnon | MAP_FIXED)), ENOMEM);
  EXPECT_EQ(layout(), "0-2 rw-p 2-4 rw-p");
}

TEST_F(Accounting, DataLimitIsForPrivateWritableMemory) {
  mm->limits.data = 2 * kPageSize;
  EXPECT_EQ(errno_of(map(0, 3 * kPageSize, kRw, kAnon)), ENOMEM);
  EXPECT_EQ(errno_of(map(0, 3 * kPageSize, PROT_READ, kAnon)), 0);
  EXPECT_EQ(errno_of(map(0, 3 * kPageSize, kRw, MAP_SHARED | MAP_ANONYMOUS)), 0);
  EXPECT_EQ(errno_of(map(0, 2 * kPageSize, kRw, kAnon)), 0);
}

TEST_F(Accounting, OneMapMoreThanTheLimit) {
  mm->limits.max_map_count = 2;
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(errno_of(map(page(2 * i), kPageSize, kRw, kAnon | MAP_FIXED)), 0);
  EXPECT_EQ(errno_of(map(page(8), kPageSize, kRw, kAnon | MAP_FIXED)), ENOMEM);
}

TEST_F(Accounting, CommitLimitIsForOneRequest) {
  mm->limits.commit_pages = 8;
  EXPECT_EQ(errno_of(map(0, 9 * kPageSize, kRw, kAnon)), ENOMEM);
  EXPECT_EQ(errno_of(map(0, 9 * kPageSize, kRw, kAnon | MAP_NORESERVE)), 0);
  EXPECT_EQ(errno_of(map(0, 9 * kPageSize, kRw, MAP_SHARED | MAP_ANONYMOUS)), ENOMEM);
  map_at(page(0), 9, PROT_READ);
  EXPECT_EQ(errno_of(do_mprotect(*mm, page(0), 9 * kPageSize, kRw)), ENOMEM);
  mm->limits.overcommit = Overcommit::kAlways;
  EXPECT_EQ(errno_of(do_mprotect(*mm, page(0), 9 * kPageSize, kRw)), 0);
}

// vm.overcommit_memory 2: all promises together stay below the limit, and each is given back.
TEST_F(Accounting, EveryPromiseCounts) {
  CommitAccount commit{.limit = 100, .committed = 10};
  world.env.commit = &commit;
  become({});
  mm->limits.overcommit = Overcommit::kNever;
  mm->limits.user_reserve_pages = 32768;
  map_at(page(0), 40);
  EXPECT_EQ(commit.committed, 50U);
  map_at(page(100), 1000, PROT_READ);  // cannot be written: promises nothing
  EXPECT_EQ(commit.committed, 50U);
  // 1040 / 32 pages are kept back from a process of this size.
  EXPECT_EQ(errno_of(map(0, 18 * kPageSize, kRw, kAnon)), ENOMEM);
  EXPECT_EQ(errno_of(map(0, 18 * kPageSize, kRw, kAnon | MAP_NORESERVE)), ENOMEM);
  EXPECT_EQ(errno_of(do_munmap(*mm, page(100), 1000 * kPageSize)), 0);
  mm->limits.admin_reserve_pages = 20;
  EXPECT_EQ(errno_of(map(page(50), 29 * kPageSize, kRw, kAnon | MAP_FIXED)), ENOMEM);
  EXPECT_EQ(errno_of(map(page(50), 28 * kPageSize, kRw, kAnon | MAP_FIXED)), 0);
  EXPECT_EQ(commit.committed, 78U);
  EXPECT_EQ(errno_of(do_mprotect(*mm, page(0), 10 * kPageSize, PROT_READ)), 0);
  EXPECT_EQ(commit.committed, 68U);  // untouched: the promise is taken back
  EXPECT_EQ(errno_of(do_mprotect(*mm, page(0), 10 * kPageSize, kRw)), ENOMEM);
  EXPECT_EQ(errno_of(do_munmap(*mm, page(50), 28 * kPageSize)), 0);
  EXPECT_EQ(errno_of(do_mprotect(*mm, page(0), 10 * kPageSize, kRw)), 0);
  EXPECT_EQ(commit.committed, 50U);
  mm->start_brk = mm->brk = Gva(page(2000));
  do_brk(*mm, page(2005));
  EXPECT_EQ(commit.committed, 55U);
  EXPECT_TRUE(do_mremap(*mm, page(0), 40 * kPageSize, 10 * kPageSize, 0, 0));
  EXPECT_EQ(commit.committed, 25U);
  check();
  mm.reset();
  EXPECT_EQ(commit.committed, 10U);
  world.env.commit = nullptr;
  become({});
}

}  // namespace
}  // namespace faultline::mmu

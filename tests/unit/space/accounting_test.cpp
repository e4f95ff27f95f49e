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
}

}  // namespace
}  // namespace faultline::mmu

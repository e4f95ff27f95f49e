#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;

class Mprotect : public testing::SpaceTest {
 protected:
  SysResult<void> protect(std::uint64_t address, std::uint64_t pages, int prot) {
    const auto result = do_mprotect(*mm, address, pages * kPageSize, prot);
    check();
    return result;
  }
};

TEST_F(Mprotect, OwnPageIsWritableAgainAtOnce) {
  map_at(page(0), 1);
  write_at(page(0));
  ASSERT_TRUE(protect(page(0), 1, PROT_READ));
  EXPECT_FALSE(entry_at(page(0)).writable());
  EXPECT_EQ(access(page(0), true).result, FaultResult::kSegvAccErr);
  ASSERT_TRUE(protect(page(0), 1, kRw));
  EXPECT_TRUE(entry_at(page(0)).writable());
}

TEST_F(Mprotect, ZeroPageStaysReadOnly) {
  map_at(page(0), 1, PROT_READ);
  read_at(page(0));
  ASSERT_TRUE(protect(page(0), 1, kRw));
  EXPECT_TRUE(entry_at(page(0)).special());
  EXPECT_FALSE(entry_at(page(0)).writable());
}

TEST_F(Mprotect, PrivateFilePageStaysReadOnly) {
  map_file_at(page(0), 2, world.file(FileKind::kRegular, 2 * kPageSize), PROT_READ, MAP_PRIVATE);
  read_at(page(0));
  ASSERT_TRUE(protect(page(0), 2, kRw));
  EXPECT_FALSE(entry_at(page(0)).writable());
  write_at(page(0));
  EXPECT_EQ(mm->rss.pages[0], 1);
}

TEST_F(Mprotect, CleanPageOfASharedFileWaitsForTheFault) {
  map_file_at(page(0), 1, world.file(FileKind::kRegular, kPageSize), kRw, MAP_SHARED);
  read_at(page(0));
  ASSERT_TRUE(protect(page(0), 1, PROT_READ));
  ASSERT_TRUE(protect(page(0), 1, kRw));
  EXPECT_FALSE(entry_at(page(0)).writable());
  write_at(page(0));
  ASSERT_TRUE(protect(page(0), 1, PROT_READ));
  ASSERT_TRUE(protect(page(0), 1, kRw));
  EXPECT_TRUE(entry_at(page(0)).writable());  // dirty: the file knows
}

TEST_F(Mprotect, SharedMemoryIsWritableAtOnce) {
  map_at(page(0), 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  read_at(page(0));
  ASSERT_TRUE(protect(page(0), 1, PROT_READ));
  ASSERT_TRUE(protect(page(0), 1, kRw));
  EXPECT_TRUE(entry_at(page(0)).writable());
}

TEST_F(Mprotect, NoneAndBackCostsNoFault) {
  map_at(page(0), 2);
  write_at(page(0));
  read_at(page(1));
  byte_at(page(0)) = std::byte{42};
  const Gfn frame = entry_at(page(0)).frame();
  ASSERT_TRUE(protect(page(0), 2, PROT_NONE));
  EXPECT_EQ(entry_at(page(0)).kind(1), PteKind::kProtNone);
  EXPECT_EQ(entry_at(page(0)).frame(), frame);
  EXPECT_EQ(access(page(0), false).result, FaultResult::kSegvAccErr);
  EXPECT_EQ(mm->rss.total(), 1U);
  ASSERT_TRUE(protect(page(0), 2, kRw));
  EXPECT_TRUE(entry_at(page(0)).writable());
  EXPECT_EQ(entry_at(page(0)).frame(), frame);
  EXPECT_TRUE(entry_at(page(1)).special());
  EXPECT_EQ(byte_at(page(0)), std::byte{42});
}

TEST_F(Mprotect, NarrowingFlushesWideningDoesNot) {
  map_at(page(0), 4);
  for (std::uint64_t i = 0; i < 4; ++i) write_at(page(i));
  world.sink.batches.clear();
  ASSERT_TRUE(protect(page(0), 4, PROT_READ));
  ASSERT_EQ(world.sink.batches.size(), 1U);
  EXPECT_EQ(world.sink.batches[0].pages, 4U);
  ASSERT_TRUE(protect(page(0), 4, kRw));
  EXPECT_EQ(world.sink.batches.size(), 1U);
}

TEST_F(Mprotect, PartBeforeAHoleIsDone) {
  map_at(page(0), 2);
  map_at(page(3), 1);
  EXPECT_EQ(errno_of(protect(page(0), 4, PROT_READ)), ENOMEM);
  EXPECT_EQ(layout(), "0-2 r--p 3-4 rw-p");
}

TEST_F(Mprotect, DataLimitCountsWhenMemoryBecomesData) {
  map_at(page(0), 4, PROT_READ);
  mm->limits.data = 2 * kPageSize;
  EXPECT_EQ(errno_of(protect(page(0), 4, kRw)), ENOMEM);
  EXPECT_EQ(errno_of(protect(page(0), 2, kRw)), 0);
  EXPECT_EQ(mm->data_vm, 2U);
}

TEST_F(Mprotect, LockedAreaIsCopiedWhenItBecomesWritable) {
  map_at(page(0), 2, PROT_READ);
  ASSERT_TRUE(do_mlock(*mm, page(0), 2 * kPageSize, false));
  EXPECT_EQ(mm->rss.total(), 0U);  // the zero page
  ASSERT_TRUE(protect(page(0), 2, kRw));
  EXPECT_EQ(mm->rss.total(), 2U);
}

// Before 6.1 every page waits for a write fault.
TEST_F(Mprotect, OlderLinuxGivesNoWriteAccessBack) {
  become(LinuxBehaviour::of({6, 0}));
  map_at(page(0), 1);
  write_at(page(0));
  ASSERT_TRUE(do_mprotect(*mm, page(0), kPageSize, PROT_READ));
  ASSERT_TRUE(do_mprotect(*mm, page(0), kPageSize, kRw));
  EXPECT_FALSE(entry_at(page(0)).writable());
  const FaultOutcome o = access(page(0), true);
  EXPECT_EQ(o.path.decided_by(), FaultStep::kReuse);
  EXPECT_TRUE(entry_at(page(0)).writable());
}

}  // namespace
}  // namespace faultline::mmu

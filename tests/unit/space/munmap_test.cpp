#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;

class Munmap : public testing::SpaceTest {};

TEST_F(Munmap, CutsAHoleAndFreesItsFrames) {
  map_at(page(0), 8);
  for (int i = 0; i < 8; ++i) write_at(page(static_cast<std::uint64_t>(i)));
  const std::uint64_t used = world.frames.used_frames();
  ASSERT_TRUE(do_munmap(*mm, page(2), 3 * kPageSize));
  EXPECT_EQ(layout(), "0-2 rw-p 5-8 rw-p");
  EXPECT_EQ(world.frames.used_frames(), used - 3);
  EXPECT_TRUE(entry_at(page(2)).none());
  EXPECT_TRUE(entry_at(page(5)).present());
  EXPECT_EQ(mm->rss.total(), 5U);
}

TEST_F(Munmap, OneFlushForTheWholeRange) {
  map_at(page(0), 2);
  map_at(page(4), 2, PROT_READ);
  write_at(page(0));
  read_at(page(4));
  world.sink.batches.clear();
  ASSERT_TRUE(do_munmap(*mm, page(0), 8 * kPageSize));
  ASSERT_EQ(world.sink.batches.size(), 1U);
  EXPECT_EQ(world.sink.batches[0].pages, 2U);
  EXPECT_TRUE(world.sink.batches[0].tables_freed);
  EXPECT_EQ(mm->tables().tables(), 0U);
}

TEST_F(Munmap, UntouchedMemoryNeedsNoFlush) {
  map_at(page(0), 8);
  world.sink.batches.clear();
  ASSERT_TRUE(do_munmap(*mm, page(0), 8 * kPageSize));
  EXPECT_TRUE(world.sink.batches.empty());
}

TEST_F(Munmap, TablesOfNeighboursStay) {
  map_at(page(0), 1);
  map_at(page(2), 1);
  write_at(page(0));
  write_at(page(2));
  const std::uint64_t tables = mm->tables().tables();
  ASSERT_TRUE(do_munmap(*mm, page(0), kPageSize));
  EXPECT_EQ(mm->tables().tables(), tables);
  EXPECT_TRUE(entry_at(page(2)).present());
}

TEST_F(Munmap, DirtyOfASharedPageGoesToTheFile) {
  const auto file = world.file(FileKind::kShmem, 4 * kPageSize);
  map_file_at(page(0), 4, file, kRw, MAP_SHARED);
  write_at(page(1));
  ASSERT_TRUE(do_munmap(*mm, page(0), 4 * kPageSize));
  EXPECT_TRUE(world.frames.at(*file->find(Pgoff(1))).dirty);
}

TEST_F(Munmap, HoleInTheMiddleNeedsAMapOfTheLimit) {
  map_at(page(0), 4);
  mm->limits.max_map_count = 1;
  EXPECT_EQ(errno_of(do_munmap(*mm, page(1), kPageSize)), ENOMEM);
  EXPECT_EQ(layout(), "0-4 rw-p");
  EXPECT_EQ(errno_of(do_munmap(*mm, page(0), kPageSize)), 0);
  EXPECT_EQ(errno_of(do_munmap(*mm, page(3), kPageSize)), 0);
  EXPECT_EQ(layout(), "1-3 rw-p");
}

// 127 TiB of nothing is no work.
TEST_F(Munmap, HugeEmptyRangesAreQuick) {
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(map(0x10000, 0x7000'0000'0000, PROT_NONE, kAnon | MAP_FIXED | MAP_NORESERVE));
    ASSERT_TRUE(do_mprotect(*mm, 0x10000, 0x6000'0000'0000, PROT_READ));
    ASSERT_TRUE(do_munmap(*mm, 0x10000, 0x7000'0000'0000));
  }
}

}  // namespace
}  // namespace faultline::mmu

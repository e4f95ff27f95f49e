#include "mmu/space/merge.hpp"

#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;

class Merge : public testing::SpaceTest {};

TEST_F(Merge, NewMappingJoinsBelowAboveAndBoth) {
  map_at(page(0), 2);
  map_at(page(2), 1);
  EXPECT_EQ(layout(), "0-3 rw-p");
  map_at(page(5), 1);
  map_at(page(4), 1);
  EXPECT_EQ(layout(), "0-3 rw-p 4-6 rw-p");
  map_at(page(3), 1);
  EXPECT_EQ(layout(), "0-6 rw-p");
}

TEST_F(Merge, DifferentRightsStayApart) {
  map_at(page(0), 1);
  map_at(page(1), 1, PROT_READ);
  map_at(page(2), 1);
  EXPECT_EQ(layout(), "0-1 rw-p 1-2 r--p 2-3 rw-p");
}

// A read-only mapping is not charged; one that was writable once is, and they differ.
TEST_F(Merge, CommitAccountingKeepsTouchedReadOnlyAreasApart) {
  map_at(page(0), 1, PROT_READ);
  map_at(page(1), 1);
  write_at(page(1));
  ASSERT_TRUE(do_mprotect(*mm, page(1), kPageSize, PROT_READ));
  EXPECT_EQ(layout(), "0-1 r--p 1-2 r--p");
}

TEST_F(Merge, CommitAccountingIsDroppedWhileUntouched) {
  map_at(page(0), 1, PROT_READ);
  map_at(page(1), 1);
  ASSERT_TRUE(do_mprotect(*mm, page(1), kPageSize, PROT_READ));
  EXPECT_EQ(layout(), "0-2 r--p");
}

TEST_F(Merge, TwoAnonVmasNeverMeet) {
  map_at(page(0), 1);
  write_at(page(0));
  map_at(page(2), 1);
  write_at(page(2));
  ASSERT_NE(mm->vmas.lookup(Gva(page(0)))->anon_vma, mm->vmas.lookup(Gva(page(2)))->anon_vma);
  // The one between joins the one below only.
  map_at(page(1), 1);
  EXPECT_EQ(layout(), "0-2 rw-p 2-3 rw-p");
}

TEST_F(Merge, NeighbourTakesOverTheAnonVma) {
  map_at(page(1), 1);
  write_at(page(1));
  const AnonVma* const id = mm->vmas.lookup(Gva(page(1)))->anon_vma;
  map_at(page(0), 1);
  EXPECT_EQ(layout(), "0-2 rw-p");
  EXPECT_EQ(mm->vmas.lookup(Gva(page(0)))->anon_vma, id);
}

TEST_F(Merge, FilesNeedTheSameFileAndContiguousOffsets) {
  const auto file = world.file(FileKind::kRegular, 16 * kPageSize);
  map_file_at(page(0), 2, file, PROT_READ, MAP_PRIVATE, 3);
  map_file_at(page(2), 2, file, PROT_READ, MAP_PRIVATE, 5);
  EXPECT_EQ(layout(), "0-4 r--p");
  map_file_at(page(4), 1, file, PROT_READ, MAP_PRIVATE, 8);
  EXPECT_EQ(layout(), "0-4 r--p 4-5 r--p");
  map_file_at(page(5), 1, world.file(FileKind::kRegular, 16 * kPageSize), PROT_READ, MAP_PRIVATE, 9);
  EXPECT_EQ(layout(), "0-4 r--p 4-5 r--p 5-6 r--p");
}

TEST_F(Merge, SharedAnonymousMappingsAreFilesOfTheirOwn) {
  map_at(page(0), 1, kRw, MAP_SHARED | MAP_ANONYMOUS);
  map_at(page(1), 1, kRw, MAP_SHARED | MAP_ANONYMOUS);
  EXPECT_EQ(layout(), "0-1 rw-s 1-2 rw-s");
}

TEST_F(Merge, ModifySplitsAndMergesBack) {
  map_at(page(0), 6);
  write_at(page(0));
  ASSERT_TRUE(do_mprotect(*mm, page(2), 2 * kPageSize, PROT_READ));
  EXPECT_EQ(layout(), "0-2 rw-p 2-4 r--p 4-6 rw-p");
  ASSERT_TRUE(do_mprotect(*mm, page(4), kPageSize, PROT_READ));
  EXPECT_EQ(layout(), "0-2 rw-p 2-5 r--p 5-6 rw-p");
  ASSERT_TRUE(do_mprotect(*mm, page(1), kPageSize, PROT_READ));
  EXPECT_EQ(layout(), "0-1 rw-p 1-5 r--p 5-6 rw-p");
  ASSERT_TRUE(do_mprotect(*mm, page(1), 4 * kPageSize, kRw));
  EXPECT_EQ(layout(), "0-6 rw-p");
}

TEST_F(Merge, SplitsStopAtTheMapLimit) {
  map_at(page(0), 6);
  mm->limits.max_map_count = 2;
  // The first of two splits stays done.
  EXPECT_EQ(errno_of(do_mprotect(*mm, page(2), 2 * kPageSize, PROT_READ)), ENOMEM);
  EXPECT_EQ(layout(), "0-2 rw-p 2-6 rw-p");
  // Moving the border needs no VMA more.
  EXPECT_EQ(errno_of(do_mprotect(*mm, page(2), 4 * kPageSize, PROT_READ)), 0);
  EXPECT_EQ(errno_of(do_mprotect(*mm, page(1), kPageSize, PROT_READ)), 0);
  EXPECT_EQ(layout(), "0-1 rw-p 1-6 r--p");
}

}  // namespace
}  // namespace faultline::mmu

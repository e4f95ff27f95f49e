#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;
using testing::MemoryFile;

class Msync : public testing::SpaceTest {};

TEST_F(Msync, WritesTheDirtyPagesOfTheRange) {
  const auto file = world.file(FileKind::kRegular, 4 * kPageSize);
  auto& backing = static_cast<MemoryFile&>(file->file());
  map_file_at(page(0), 4, file, kRw, MAP_SHARED);
  for (std::uint64_t i = 0; i < 4; ++i) {
    write_at(page(i));
    byte_at(page(i)) = std::byte{77};
  }
  ASSERT_TRUE(do_msync(*mm, page(1), 2 * kPageSize, MS_SYNC));
  EXPECT_EQ(backing.writes, 2U);
  EXPECT_EQ(backing.byte_at(kPageSize), std::byte{77});
  EXPECT_EQ(backing.byte_at(0), std::byte{1});
  // The file counts dirty pages: the next write must be seen.
  EXPECT_FALSE(entry_at(page(1)).writable());
  EXPECT_TRUE(entry_at(page(0)).writable());
  const std::uint64_t faults = mm->counters.minor;
  write_at(page(1));
  EXPECT_EQ(mm->counters.minor, faults + 1);
  ASSERT_TRUE(do_msync(*mm, page(0), 4 * kPageSize, MS_SYNC));
  EXPECT_EQ(backing.writes, 5U);
}

TEST_F(Msync, AsyncWritesNothingAndPrivateMappingsNever) {
  const auto file = world.file(FileKind::kRegular, 2 * kPageSize);
  map_file_at(page(0), 2, file, kRw, MAP_SHARED);
  map_file_at(page(4), 2, file, kRw, MAP_PRIVATE);
  write_at(page(0));
  write_at(page(4));
  ASSERT_TRUE(do_msync(*mm, page(0), 2 * kPageSize, MS_ASYNC));
  ASSERT_TRUE(do_msync(*mm, page(4), 2 * kPageSize, MS_SYNC));
  EXPECT_EQ(static_cast<MemoryFile&>(file->file()).writes, 0U);
}

TEST_F(Msync, HolesAreReportedAfterTheRestIsDone) {
  const auto file = world.file(FileKind::kRegular, kPageSize);
  map_at(page(0), 1);
  map_file_at(page(2), 1, file, kRw, MAP_SHARED);
  write_at(page(2));
  EXPECT_EQ(errno_of(do_msync(*mm, page(0), 3 * kPageSize, MS_SYNC)), ENOMEM);
  EXPECT_EQ(static_cast<MemoryFile&>(file->file()).writes, 1U);
}

}  // namespace
}  // namespace faultline::mmu

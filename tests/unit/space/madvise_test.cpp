#include <ctime>

#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;
using testing::MemoryFile;

class Madvise : public testing::SpaceTest {
 protected:
  int advise(std::uint64_t address, std::uint64_t pages, int advice) {
    const auto result = do_madvise(*mm, address, pages * kPageSize, advice);
    check();
    return errno_of(result);
  }
};

TEST_F(Madvise, DontneedOfAnonymousMemoryReadsZeroes) {
  map_at(page(0), 2);
  write_at(page(0));
  byte_at(page(0)) = std::byte{7};
  EXPECT_EQ(advise(page(0), 2, MADV_DONTNEED), 0);
  EXPECT_EQ(mm->rss.total(), 0U);
  read_at(page(0));
  EXPECT_EQ(byte_at(page(0)), std::byte{0});
}

// Advice costs what is mapped, not what is named.
TEST_F(Madvise, DontneedOfMostOfUserSpaceIsQuick) {
  constexpr std::uint64_t kStart = 0x1000'0000'0000, kBytes = 100ULL << 40;
  ASSERT_TRUE(map(kStart, kBytes, kRw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED));
  write_at(kStart);
  write_at(kStart + kBytes / 2);
  write_at(kStart + kBytes - kPageSize);
  const std::uint64_t tables = mm->tables().tables();
  const std::clock_t before = std::clock();
  EXPECT_EQ(advise(kStart, kBytes / kPageSize, MADV_DONTNEED), 0);
  EXPECT_LT(std::clock() - before, CLOCKS_PER_SEC);
  EXPECT_EQ(mm->rss.total(), 0U);
  EXPECT_EQ(mm->tables().tables(), tables - 3) << "the last level's go";
}

TEST_F(Madvise, DontneedOfAPrivateFileShowsTheFileAgain) {
  map_file_at(page(0), 1, world.file(FileKind::kRegular, kPageSize), kRw, MAP_PRIVATE);
  write_at(page(0));
  byte_at(page(0)) = std::byte{99};
  EXPECT_EQ(advise(page(0), 1, MADV_DONTNEED), 0);
  read_at(page(0));
  EXPECT_EQ(byte_at(page(0)), std::byte{1});
}

TEST_F(Madvise, HolesAreReportedAfterTheRestIsDone) {
  map_at(page(0), 1);
  map_at(page(2), 1);
  write_at(page(0));
  write_at(page(2));
  EXPECT_EQ(advise(page(0), 3, MADV_DONTNEED), ENOMEM);
  EXPECT_EQ(mm->rss.total(), 0U);
  EXPECT_EQ(advise(page(0), 3, MADV_DONTFORK), ENOMEM);
  EXPECT_TRUE(mm->vmas.lookup(Gva(page(2)))->flags.has(VmFlags::kDontCopy));
}

TEST_F(Madvise, FreeKeepsContentsAndMarksThePageClean) {
  map_at(page(0), 1);
  write_at(page(0));
  byte_at(page(0)) = std::byte{5};
  EXPECT_EQ(advise(page(0), 1, MADV_FREE), 0);
  EXPECT_FALSE(entry_at(page(0)).dirty());
  EXPECT_TRUE(entry_at(page(0)).writable());
  EXPECT_EQ(byte_at(page(0)), std::byte{5});
}

TEST_F(Madvise, RemovePunchesAHoleIntoTheFile) {
  const auto file = world.file(FileKind::kRegular, 4 * kPageSize);
  map_file_at(page(0), 4, file, kRw, MAP_SHARED);
  map_file_at(page(8), 4, file, kRw, MAP_PRIVATE);
  write_at(page(9));  // a private copy stays
  read_at(page(1));
  EXPECT_EQ(advise(page(1), 2, MADV_REMOVE), 0);
  EXPECT_TRUE(entry_at(page(1)).none());
  EXPECT_TRUE(entry_at(page(9)).present());
  read_at(page(1));
  EXPECT_EQ(byte_at(page(1)), std::byte{0});
  ASSERT_TRUE(file->write_back(Pgoff(0), Pgoff(3)));
  const auto& backing = static_cast<const MemoryFile&>(file->file());
  EXPECT_EQ(backing.byte_at(kPageSize), std::byte{0});
  EXPECT_EQ(backing.byte_at(3 * kPageSize), std::byte{4});
}

TEST_F(Madvise, PopulateFaultsInAsTheAccessWould) {
  map_at(page(0), 2);
  EXPECT_EQ(advise(page(0), 2, 22), 0);
  EXPECT_TRUE(entry_at(page(0)).special());
  EXPECT_EQ(advise(page(0), 2, 23), 0);
  EXPECT_EQ(mm->rss.total(), 2U);
  EXPECT_EQ(mm->counters.minor, 4U);
  EXPECT_EQ(mm->counters.perf_faults, 0U);
}

TEST_F(Madvise, PopulateBeyondTheFileIsAFault) {
  map_file_at(page(0), 3, world.file(FileKind::kShmem, kPageSize), kRw, MAP_SHARED);
  EXPECT_EQ(advise(page(0), 3, 22), EFAULT);
}

TEST_F(Madvise, MapLimitIsTryAgain) {
  map_at(page(0), 4);
  mm->limits.max_map_count = 1;
  EXPECT_EQ(advise(page(1), 1, MADV_DONTFORK), EAGAIN);
}

}  // namespace
}  // namespace faultline::mmu

// What mmap does beyond checks and placement, which the kernel judges elsewhere.
#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

class Mmap : public testing::SpaceTest {};

TEST_F(Mmap, NothingIsMappedBeforeItIsTouched) {
  map_at(page(0), 16);
  EXPECT_EQ(mm->rss.total(), 0U);
  EXPECT_EQ(mm->tables().tables(), 0U);
  EXPECT_TRUE(world.sink.batches.empty());
}

TEST_F(Mmap, PopulateCountsTaskFaultsOnly) {
  map_at(page(0), 4, kRw, kAnon | MAP_POPULATE);
  EXPECT_EQ(mm->rss.total(), 4U);
  EXPECT_EQ(mm->counters.minor, 4U);
  EXPECT_EQ(mm->counters.perf_faults, 0U);
  map_at(page(8), 4, kRw, kAnon | MAP_POPULATE | MAP_NONBLOCK);
  EXPECT_EQ(mm->rss.total(), 4U);
}

TEST_F(Mmap, PopulateThatRunsOutOfMemorySucceedsAllTheSame) {
  world.frames.fail_nth(6);  // three tables, two pages, and no third
  map_at(page(0), 4, kRw, kAnon | MAP_POPULATE);
  world.frames.fail_nth(0);
  EXPECT_EQ(mm->rss.total(), 2U);
}

TEST_F(Mmap, FixedReplacesWhatWasThere) {
  map_at(page(0), 4);
  write_at(page(1));
  byte_at(page(1)) = std::byte{1};
  map_at(page(1), 2);
  EXPECT_EQ(mm->rss.total(), 0U);
  write_at(page(1));
  EXPECT_EQ(byte_at(page(1)), std::byte{0});
  EXPECT_EQ(mm->total_vm, 4U);
}

TEST_F(Mmap, SharedAnonymousMemoryEndsWhereItWasMade) {
  map_at(page(0), 2, kRw, MAP_SHARED | MAP_ANONYMOUS);
  write_at(page(1));
  EXPECT_EQ(mm->rss.pages[static_cast<std::size_t>(RssKind::kShmem)], 1);
  ASSERT_TRUE(do_mremap(*mm, page(0), 2 * kPageSize, 3 * kPageSize, 0, 0));
  EXPECT_EQ(access(page(2), true).result, FaultResult::kBusAdrErr);
}

TEST_F(Mmap, SharedReadOnlyDescriptorCanNeverBeWritten) {
  const auto file = world.file(FileKind::kRegular, kPageSize);
  const auto at = do_mmap(*mm, {.address = page(0),
                                .length = kPageSize,
                                .prot = PROT_READ,
                                .flags = MAP_SHARED | MAP_FIXED,
                                .file = file,
                                .file_writable = false});
  ASSERT_TRUE(at);
  const Vma& vma = *mm->vmas.lookup(*at);
  EXPECT_FALSE(vma.flags.any(VmFlags::kShared | VmFlags::kMayWrite));
  EXPECT_EQ(vma.flags.text(), "r--s");
  EXPECT_EQ(testing::errno_of(do_mprotect(*mm, page(0), kPageSize, kRw)), EACCES);
}

TEST_F(Mmap, PrivateWriteNeverReachesTheFile) {
  const auto file = world.file(FileKind::kRegular, kPageSize);
  map_file_at(page(0), 1, file, kRw, MAP_PRIVATE);
  map_file_at(page(2), 1, file, kRw, MAP_SHARED);
  write_at(page(0));
  byte_at(page(0)) = std::byte{200};
  read_at(page(2));
  EXPECT_EQ(byte_at(page(2)), std::byte{1});
}

TEST_F(Mmap, OlderLinuxTakesNoreplaceForAHint) {
  constexpr int kNoreplace = kAnon | MAP_FIXED_NOREPLACE;
  map_at(page(0), 1);
  EXPECT_EQ(testing::errno_of(map(page(0), kPageSize, kRw, kNoreplace)), EEXIST);
  become(LinuxBehaviour::of({4, 16}));
  map_at(page(0), 1);
  const auto elsewhere = map(page(0), kPageSize, kRw, kNoreplace);
  ASSERT_TRUE(elsewhere);
  EXPECT_NE(elsewhere->raw(), page(0));
  EXPECT_EQ(map(page(5), kPageSize, kRw, kNoreplace), Gva(page(5)));
}

}  // namespace
}  // namespace faultline::mmu

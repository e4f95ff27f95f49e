#include "mmu/arch/swap_entry.hpp"
#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;

constexpr int kInstall = 102, kRemove = 103;

class Guard : public testing::SpaceTest {
 protected:
  int advise(std::uint64_t address, std::uint64_t pages, int advice) {
    const auto result = do_madvise(*mm, address, pages * kPageSize, advice);
    check();
    return errno_of(result);
  }
  bool guarded(std::uint64_t n) const { return entry_at(page(n)) == kGuardEntry; }
};

TEST_F(Guard, PagesGoAndAccessesAreRefused) {
  map_at(page(0), 4);
  for (const std::uint64_t n : {0U, 1U, 2U}) write_at(page(n));
  EXPECT_EQ(advise(page(1), 3, kInstall), 0);
  EXPECT_EQ(mm->rss.total(), 1U);
  for (const bool write : {false, true}) {
    const FaultOutcome o = access(page(2), write);
    EXPECT_EQ(o.result, FaultResult::kSegvMapErr);
    EXPECT_EQ(o.path.decided_by(), FaultStep::kGuard);
  }
  EXPECT_EQ(layout(), "0-4 rw-p");  // no VMA is cut for it
  EXPECT_EQ(advise(page(1), 3, kInstall), 0);
  EXPECT_EQ(advise(page(1), 2, kRemove), 0);
  read_at(page(1));
  EXPECT_EQ(byte_at(page(1)), std::byte{0});
  EXPECT_TRUE(guarded(3));
}

TEST_F(Guard, RemoveTouchesNothingElse) {
  map_at(page(0), 2);
  write_at(page(0));
  EXPECT_EQ(advise(page(0), 2, kRemove), 0);
  EXPECT_TRUE(entry_at(page(0)).present());
}

TEST_F(Guard, OutlivesThePagesButNotTheMapping) {
  map_at(page(0), 2);
  EXPECT_EQ(advise(page(0), 1, kInstall), 0);
  EXPECT_EQ(advise(page(0), 2, MADV_DONTNEED), 0);
  EXPECT_EQ(advise(page(0), 2, MADV_FREE), 0);
  EXPECT_EQ(advise(page(0), 2, MADV_PAGEOUT), 0);
  EXPECT_TRUE(do_mprotect(*mm, page(0), kPageSize, PROT_READ));
  check();
  EXPECT_TRUE(guarded(0));
  EXPECT_EQ(advise(page(0), 1, 22), EFAULT);
  EXPECT_EQ(errno_of(do_mlock(*mm, page(0), kPageSize, false)), ENOMEM);
  EXPECT_TRUE(do_munlock(*mm, page(0), kPageSize));
  std::byte resident[2];
  EXPECT_TRUE(do_mincore(*mm, page(0), 2 * kPageSize, resident));
  EXPECT_EQ(resident[0], std::byte{0});
  EXPECT_TRUE(do_munmap(*mm, page(0), kPageSize));
  map_at(page(0), 1);
  read_at(page(0));
}

TEST_F(Guard, MovesWithItsMapping) {
  map_at(page(0), 2);
  EXPECT_EQ(advise(page(0), 1, kInstall), 0);
  EXPECT_TRUE(do_mremap(*mm, page(0), 2 * kPageSize, 2 * kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, page(10)));
  check();
  EXPECT_TRUE(guarded(10));
  EXPECT_TRUE(entry_at(page(11)).none());
}

TEST_F(Guard, WhereItCannotBe) {
  map_at(page(0), 1, kRw, kAnon | MAP_LOCKED);
  EXPECT_EQ(advise(page(0), 1, kInstall), EINVAL);
  EXPECT_EQ(advise(page(0), 1, kRemove), 0);
  map_file_at(page(4), 1, world.file(FileKind::kShmem, kPageSize), kRw, MAP_SHARED);
  EXPECT_EQ(advise(page(4), 1, kInstall), 0);
  EXPECT_EQ(access(page(4), false).result, FaultResult::kSegvMapErr);
}

TEST_F(Guard, OlderLinux) {
  become(LinuxBehaviour::of({6, 14}));
  map_at(page(0), 1);
  map_file_at(page(4), 1, world.file(FileKind::kShmem, kPageSize), kRw, MAP_SHARED);
  EXPECT_EQ(advise(page(0), 1, kInstall), 0);
  EXPECT_EQ(advise(page(4), 1, kInstall), EINVAL);
  become(LinuxBehaviour::of({6, 12}));
  map_at(page(0), 1);
  EXPECT_EQ(advise(page(0), 1, kInstall), EINVAL);
}

TEST_F(Guard, WithoutMemoryForTables) {
  map_at(page(0), 1024);
  for (std::uint64_t nth = 1; nth < 8; ++nth) {
    world.frames.fail_nth(nth);
    const int error = advise(page(0), 1024, kInstall);
    world.frames.fail_nth(0);
    EXPECT_TRUE(error == 0 || error == ENOMEM) << error;
    EXPECT_TRUE(error != 0 || nth > 1);
    EXPECT_EQ(advise(page(0), 1024, kRemove), 0);
  }
}

}  // namespace
}  // namespace faultline::mmu
